// Comforts of the staff's pages; all of them work without.
// Leaving KHQR on is the quiet choice: turning it off asks first.

const form = document.querySelector("form[data-settings]");
if (form) {
  const before = new URLSearchParams(new FormData(form)).toString();
  const changed = () => new URLSearchParams(new FormData(form)).toString() !== before;
  const note = form.querySelector("[data-unsaved]");
  form.addEventListener("input", () => { if (note) note.hidden = !changed(); });

  const khqr = form.querySelector("input[type=checkbox][name=khqr_enabled]");
  const dialog = form.querySelector("[data-off-dialog]");
  const wasOn = khqr?.defaultChecked;
  let asked = false;
  form.addEventListener("submit", (event) => {
    if (asked || !wasOn || khqr.checked || khqr.disabled) return;
    event.preventDefault();
    dialog.showModal();
  });
  dialog?.querySelector("[data-off-no]").addEventListener("click", () => dialog.close());
  dialog?.querySelector("[data-off-yes]").addEventListener("click", () => {
    asked = true;
    dialog.close();
    form.requestSubmit();
  });
}

// One press chooses every payment of the page that can be asked about.
const all = document.querySelector("input[data-choose-all]");
if (all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const one of document.querySelectorAll("input[name=ref]")) one.checked = all.checked;
  });
}

// A link to a part that stands inside a closed <details> opens it.
const open = () => {
  const there = location.hash && document.getElementById(location.hash.slice(1));
  for (let each = there; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
};
addEventListener("hashchange", open);
open();
