// The checkout page while it is open: a countdown, our own status address asked in a chain of timeouts, live events
// to shorten the wait, and the page drawn anew by the server whenever its revision changes. Nothing here asks the bank;
// "check now" and the app's return ask our server, which decides.

import { Countdown } from "./clock.js";
import { dress, speak } from "./frame.js";

const RETRY_S = [3, 5, 8, 15];
const PAID = new Set(["completed", "review"]);
const byId = (id) => document.getElementById(id);
const main = byId("main");
const tab = { title: document.title };
let countdown;
let timer = 0;
let asking = null; // one question at a time
let failures = 0;
let paused = false; // signed out, or gone: only a reload helps
let toldSlow = false;
let hiddenSince = null;
let openedApp = false;
let endedAt = null;
let source = null; // live events, where the server has them
const channel = "BroadcastChannel" in window ? new BroadcastChannel(`vinflow-${main.dataset.ref}`) : null;

const words = () => byId("co-words").dataset;
const sentence = (id) => byId(id).textContent.trim(); // of a banner, whether it is shown or not
const state = () => main.dataset.state;
const isWaiting = () => state() === "pending" || state() === "confirming";

// ---- asking our server ----

const schedule = (milliseconds) => {
  clearTimeout(timer);
  if (!paused) timer = setTimeout(ask, milliseconds);
};

const rest = (answer) => {
  if (answer.state === "completed") return null;
  if (document.hidden) return 30000;
  if (answer.state === "pending" && !countdown) return 1000; // our time is up a moment before the server's
  if (answer.state === "pending") return source?.readyState === 1 ? Math.max(15000, answer.poll_after_ms) : answer.poll_after_ms;
  endedAt ??= performance.now();
  const since = performance.now() - endedAt;
  if (answer.state === "confirming") return since < 60000 ? 5000 : 15000;
  if (answer.state === "failed") return null;
  return since < 15 * 60000 ? 30000 : null;
};

async function ask() {
  if (asking || paused || navigator.onLine === false) return;
  clearTimeout(timer);
  const began = performance.now();
  const stop = new AbortController();
  const limit = setTimeout(() => stop.abort(), 8000);
  asking = stop;
  let answer = null;
  try {
    const reply = await fetch(main.dataset.statusUrl, { headers: { Accept: "application/json" }, signal: stop.signal, cache: "no-store" });
    if (reply.status === 401) return signedOut();
    if (reply.status === 404) return location.reload();
    if (!reply.ok) throw new Error(String(reply.status));
    answer = await reply.json();
  } catch {
    asking = null;
    return failed();
  } finally {
    clearTimeout(limit);
    asking = null;
  }
  heard();
  if (answer.revision !== main.dataset.revision) {
    if (!(await redraw())) return failed();
  } else if (countdown) countdown.align(answer.remaining_ms, performance.now() - began);
  const wait = rest(answer);
  if (wait !== null) schedule(wait);
  return undefined;
}

const failed = () => {
  failures += 1;
  if (navigator.onLine === false) return offline();
  const seconds = RETRY_S[Math.min(failures, RETRY_S.length) - 1];
  if (failures >= 2) {
    const banner = byId("co-slow");
    const line = banner.querySelector("[data-text]");
    line.textContent = line.dataset.text.replace("{seconds}", seconds);
    banner.hidden = false;
    if (!toldSlow) speak(line.textContent);
    toldSlow = true;
  }
  schedule(seconds * 1000 * (0.8 + Math.random() * 0.4));
  return undefined;
};

const heard = () => {
  failures = 0;
  toldSlow = false;
  byId("co-slow").hidden = true;
  byId("co-offline").hidden = true;
  const check = byId("co-check");
  if (check) check.disabled = false;
};

const offline = () => {
  clearTimeout(timer);
  byId("co-slow").hidden = true;
  if (byId("co-offline").hidden) speak(sentence("co-offline"));
  byId("co-offline").hidden = false;
  const check = byId("co-check");
  if (check) check.disabled = true;
};

const signedOut = () => {
  paused = true;
  byId("co-session").hidden = false;
  speak(sentence("co-session"), "assertive");
};

// ---- drawing the page anew ----

async function redraw() {
  let text;
  let writtenAt;
  try {
    const reply = await fetch(location.pathname, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!reply.ok) return false;
    writtenAt = performance.now();
    text = await reply.text();
  } catch {
    return false;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("main");
  if (!fresh || !fresh.dataset.state) {
    location.reload();
    return true;
  }
  const before = state();
  const typing = document.activeElement && /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName);
  const dialog = document.querySelector("dialog[open]");
  if (dialog && before !== fresh.dataset.state) dialog.close();
  main.replaceChildren(...fresh.childNodes);
  main.className = fresh.className;
  for (const name of Object.keys(main.dataset)) delete main.dataset[name];
  Object.assign(main.dataset, fresh.dataset);
  const chip = page.getElementById("balance-chip");
  if (chip && byId("balance-chip")) byId("balance-chip").replaceWith(chip);
  tab.title = page.title;
  dress(main);
  begin(performance.now() - writtenAt);
  if (before !== state() || state() === "pending") {
    if (before !== state() && !typing) main.querySelector("[data-heading]")?.focus();
    if (main.dataset.announce && before !== state()) speak(main.dataset.announce, main.dataset.announceMode);
    channel?.postMessage(state());
  }
  if (before !== "completed" && state() === "completed") goOn(5);
  return true;
}

// ---- after success: five seconds, then the dashboard, unless the payer stays ----

const goOn = (seconds) => {
  const line = byId("co-forward");
  if (!line) return;
  const text = line.querySelector("[data-text]");
  let left = seconds;
  line.hidden = false;
  const tick = () => {
    text.textContent = (left === 1 ? words().returningOne : words().returning).replace("{seconds}", left);
    if (left === 0) location.assign(main.dataset.backTo || document.querySelector(".kw-brand").href);
    left -= 1;
  };
  tick();
  const every = setInterval(tick, 1000);
  byId("co-stay").addEventListener("click", () => {
    clearInterval(every);
    line.hidden = true;
    main.querySelector("[data-heading]")?.focus();
  });
};

// The time is over: no QR on the screen any more, whatever the network does. The verdict is the server's alone, which
// draws the page anew as soon as it can be reached; until then this much is true without it.
const timeIsUp = () => {
  countdown = null;
  if (!main.querySelector(".kw-khqr-body")) { location.replace(location.pathname); return; } // the larger view
  const said = byId("co-time-up").content.cloneNode(true);
  // What goes leaves its room behind: nothing may jump under a finger.
  for (const part of main.querySelectorAll(".kw-actions, .kw-col-card > :not(.kw-khqr)")) {
    part.style.height = `${part.offsetHeight}px`;
    part.replaceChildren();
  }
  const head = main.querySelector(".kw-checkout-head");
  head.style.minHeight = `${head.offsetHeight}px`;
  head.style.alignContent = "start";
  byId("co-timer-line").remove();
  main.querySelector(".kw-khqr-body").replaceChildren(said.querySelector(".kw-qr-gone"));
  main.querySelector(".kw-wait > div").replaceChildren(said.querySelector("p"));
  const heading = main.querySelector("[data-heading]");
  heading.textContent = words().timeUpTitle;
  const dialog = document.querySelector("dialog[open]");
  dialog?.close();
  main.dataset.state = "confirming";
  heading.focus();
  speak(words().timeUp, "assertive");
  titled();
  ask();
};

// ---- every second ----

const second = () => {
  if (!countdown) return;
  countdown.draw();
  const left = countdown.left();
  if (state() === "pending" && left !== null) {
    const last = left < 60000;
    byId("co-timer-line").classList.toggle("is-last", last);
    byId("co-last").hidden = !last;
    const mark = countdown.passed();
    if (mark) speak({ 120: words().twoMinutes, 60: words().oneMinute, 30: words().thirty }[mark]);
    if (left <= 0) timeIsUp();
  }
  const seconds = left === null ? 0 : Math.ceil(left / 1000);
  if (state() === "pending" && left !== null && (!document.hidden || seconds % 10 === 0)) {
    document.title = `◷ ${countdown ? countdown.text() : "00:00"} · ${tab.title}`;
  }
};

const titled = () => {
  const mark = { completed: "✓ ", expired: "! ", failed: "! ", review: "… ", confirming: "◷ " }[state()] ?? "";
  document.title = mark + tab.title;
};

// ---- buttons ----

const bind = () => {
  byId("co-check-form")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = event.target;
    const button = byId("co-check");
    if (button.disabled) return;
    const line = byId("co-said");
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    line.textContent = words().checking;
    speak(words().checking);
    let said = words().gatewaySlow;
    try {
      const reply = await fetch(form.action, {
        method: "POST", body: new FormData(form), headers: { Accept: "application/json" }, signal: AbortSignal.timeout(20000),
      });
      if (reply.status === 401) return signedOut();
      if (reply.ok || reply.status === 429) said = (await reply.json()).text;
    } catch {
      // The line says that it goes slowly; the page keeps asking.
    } finally {
      button.removeAttribute("aria-busy");
      button.disabled = false;
    }
    if (byId("co-said")) byId("co-said").textContent = said;
    if (said) speak(said);
    ask();
    return undefined;
  });

  const larger = byId("co-larger-dialog");
  byId("co-larger")?.addEventListener("click", (event) => {
    const slot = larger.querySelector("[data-slot]");
    const drawn = main.querySelector("[data-testid=khqr-qr] svg");
    if (!drawn) return;
    event.preventDefault();
    const copy = drawn.cloneNode(true);
    copy.removeAttribute("role");
    copy.removeAttribute("aria-label");
    copy.setAttribute("aria-hidden", "true");
    const side = Number(main.querySelector("[data-testid=khqr-qr]").dataset.modules) + 8;
    const room = Math.max(256, Math.min(innerWidth - 16, innerHeight - 150, 560));
    const ratio = devicePixelRatio || 1;
    const whole = (Math.floor((room * ratio) / side) * side) / ratio; // whole device pixels a module, where that is larger
    for (const name of ["width", "height"]) copy.setAttribute(name, whole > 260 ? whole : room);
    slot.replaceChildren(copy);
    larger.showModal();
  });
  larger?.addEventListener("close", () => byId("co-larger")?.focus());

  const cancel = byId("co-cancel-dialog");
  byId("co-cancel")?.addEventListener("click", (event) => {
    event.preventDefault();
    cancel.showModal();
  });
  cancel?.addEventListener("close", () => byId("co-cancel")?.focus());

  byId("co-reveal")?.addEventListener("click", (event) => {
    byId("co-app").classList.add("is-shown");
    event.target.hidden = true;
    byId("co-app").focus();
  });

  byId("co-app")?.addEventListener("click", () => {
    openedApp = true;
    setTimeout(() => { if (!document.hidden) helpWithApp(); }, 2500);
  });
  if (/FBAN|FBAV|Messenger|Instagram|Telegram|Line\//i.test(navigator.userAgent)) helpWithApp(false);

  byId("co-save")?.addEventListener("click", async (event) => {
    const link = event.currentTarget;
    if (!navigator.canShare || !matchMedia("(pointer: coarse)").matches) return; // the plain download link does it
    event.preventDefault();
    try {
      const reply = await fetch(link.href);
      if (!reply.ok) throw new Error(String(reply.status));
      const file = new File([await reply.blob()], link.download, { type: "image/png" });
      if (navigator.canShare({ files: [file] })) {
        await navigator.share({ files: [file] });
        speak(words().saved);
      } else location.assign(link.href);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.name === "NotAllowedError") { location.assign(link.href); return; }
      byId("co-said").textContent = words().saveFailed;
      speak(words().saveFailed);
    }
  });
};

const helpWithApp = (aloud = true) => {
  const help = byId("co-app-help");
  if (!help || !byId("co-app")) return;
  help.hidden = false;
  if (aloud) speak(sentence("co-app-help"));
};

const signal = (kind) => {
  const token = document.querySelector("[name=csrfmiddlewaretoken]");
  if (!token || !isWaiting()) return;
  const body = new FormData();
  body.set("csrfmiddlewaretoken", token.value);
  body.set("kind", kind);
  fetch(`${location.pathname}signal/`, { method: "POST", body, keepalive: true }).catch(() => {});
};

// ---- live events shorten the wait; polling goes on behind them ----

const listen = () => {
  if (!("EventSource" in window) || source || !isWaiting()) return;
  source = new EventSource(main.dataset.eventsUrl);
  source.addEventListener("change", () => ask());
  source.addEventListener("error", () => { if (source?.readyState === EventSource.CLOSED) source = null; });
};

// ---- the screen stays on while the code is to be scanned ----

const stayAwake = async () => {
  if (!("wakeLock" in navigator) || document.hidden || state() !== "pending") return;
  try { await navigator.wakeLock.request("screen"); } catch { /* a low battery may refuse */ }
};

const wake = () => {
  countdown?.forget();
  ask();
};

// agedMs: how long ago the server wrote this page, as far as this device can tell; a slow road must not add time.
function begin(agedMs) {
  countdown = state() === "pending" && byId("co-timer") ? new Countdown(byId("co-timer")) : null;
  countdown?.align(Number(main.dataset.remainingMs) - agedMs);
  titled();
  bind();
  if (!isWaiting()) { source?.close(); source = null; }
  if (navigator.onLine === false) offline();
}

begin(performance.now() - (performance.getEntriesByType("navigation")[0]?.responseStart ?? 0));
setInterval(second, 1000);
second();
stayAwake();
listen();
addEventListener("online", () => { speak(words().backOnline); byId("co-offline").hidden = true; ask(); });
addEventListener("offline", offline);
addEventListener("focus", () => { if (isWaiting()) ask(); });
addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { hiddenSince = performance.now(); return; }
  wake();
  stayAwake();
  if (openedApp) { signal("app"); openedApp = false; } else if (hiddenSince !== null) signal("shown");
});
channel?.addEventListener("message", (event) => { if (event.data !== state()) ask(); });
if (main.dataset.forward) goOn(Number(main.dataset.forward));
if (state() !== "completed") schedule(Math.min(Number(main.dataset.pollMs) || 5000, 5000));
