// Add funds: quick amounts fill the field, the button names the amount, the keypad follows the currency.

const form = document.querySelector("form[data-adding]");
const ZERO = "០".codePointAt(0);

const number = (text, currency) => {
  const bare = [...text].map((sign) => {
    const digit = sign.codePointAt(0) - ZERO;
    return digit >= 0 && digit <= 9 ? String(digit) : sign;
  }).join("").replace(/[\s$៛]/g, "");
  const shape = currency === "USD" ? /^(\d{1,3}(,\d{3})+|\d+)(\.\d{1,2})?$/ : /^(\d{1,3}(,\d{3})+|\d+)$/;
  return shape.test(bare) && bare.length < 16 ? bare.replaceAll(",", "") : null;
};

const shown = (plain, currency) => {
  const [whole, cents = ""] = plain.split(".");
  const grouped = whole.replace(/^0+(?=\d)/, "").replace(/\B(?=(\d{3})+$)/g, ",");
  return currency === "USD" ? `$${grouped}.${cents.padEnd(2, "0")}` : `${grouped}\u00a0៛`;
};

if (form) {
  const amount = form.querySelector("#amount");
  const button = form.querySelector("button[type=submit]");
  const general = button.textContent;
  const currency = () => new FormData(form).get("currency");

  const refresh = () => {
    const plain = number(amount.value, currency());
    amount.inputMode = currency() === "KHR" ? "numeric" : "decimal";
    if (!form.dataset.sent) {
      button.textContent = plain && Number(plain) > 0 ? form.dataset.payWord.replace("{amount}", shown(plain, currency())) : general;
    }
    for (const radio of form.querySelectorAll("[data-quick]")) {
      radio.checked = radio.name === `quick_${currency().toLowerCase()}` && plain !== null && Number(radio.value) === Number(plain);
    }
  };

  form.addEventListener("input", (event) => {
    if (event.target.matches("[data-quick]")) amount.value = event.target.value.replace(/\.00$/, "");
    refresh();
  });
  addEventListener("pageshow", (event) => {
    // Back from the payment's page: pressing again means another payment, so it needs another key.
    if (event.persisted && crypto.randomUUID) form.elements.key.value = crypto.randomUUID();
    refresh();
  });
  refresh();
}
