// What every page does: one submit a form, notices that go away, copy buttons, a language switch that keeps what was
// typed. Everything here is a comfort; the pages work without it.

export const speak = (text, mode = "polite") => {
  const region = document.getElementById(mode === "assertive" ? "live-assertive" : "live-polite");
  region.textContent = "";
  requestAnimationFrame(() => { region.textContent = text; });
};

export const dress = (root) => {
  for (const button of root.querySelectorAll("[data-dismiss]")) {
    button.hidden = false;
    button.addEventListener("click", () => button.closest("[data-notice]").remove());
  }
  for (const form of root.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "yes";
      const button = form.querySelector("button[type=submit]");
      button.setAttribute("aria-busy", "true");
      if (button.dataset.busyLabel) {
        button.dataset.label = button.textContent;
        button.textContent = button.dataset.busyLabel;
        speak(button.dataset.busyLabel);
      }
    });
  }
  for (const button of root.querySelectorAll("[data-copy]")) {
    const label = button.querySelector("span");
    const before = label.textContent;
    button.addEventListener("click", async () => {
      if (!(await copy(button.dataset.copy))) return;
      label.textContent = button.dataset.copied;
      speak(button.dataset.spoken || button.dataset.copied);
      setTimeout(() => { label.textContent = before; }, 2500);
    });
  }
  for (const details of root.querySelectorAll("[data-open-wide]")) details.open = matchMedia("(width >= 880px)").matches;
};

const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea"); // plain http and old in-app browsers have no clipboard
    area.value = text;
    area.className = "kw-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
};

// A page that comes back from the browser's memory may be pressed again.
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    const button = form.querySelector("button[type=submit]");
    button.removeAttribute("aria-busy");
    if (button.dataset.label) button.textContent = button.dataset.label;
  }
});

for (const link of document.querySelectorAll("[data-lang-switch]")) {
  link.addEventListener("click", () => {
    const form = document.querySelector("form[data-adding]");
    if (!form) return;
    const typed = new FormData(form);
    const back = new URL(location.href);
    for (const name of ["amount", "currency"]) if (typed.get(name)) back.searchParams.set(name, typed.get(name));
    const there = new URL(link.href);
    there.searchParams.set("next", back.pathname + back.search);
    link.href = there.href;
  });
}

dress(document);
document.querySelector("[data-focus]")?.focus();

document.querySelector("[data-print]")?.addEventListener("click", () => print());
document.querySelector("[data-submit]")?.addEventListener("change", (event) => event.target.form.requestSubmit());
