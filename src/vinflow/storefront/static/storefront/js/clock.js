// The countdown: the server says how much is left, the device only measures how long ago that was.
// The wall clock is never read, so a wrong one changes nothing.

export class Countdown {
  constructor(element) {
    this.element = element;
    this.endsAt = null; // on performance.now()'s line; null: not known, and "--:--" stands there
    this.said = new Set();
  }

  // remainingMs as answered; tookMs the round trip it came by, half of which it aged on the way.
  align(remainingMs, tookMs = 0) {
    const endsAt = performance.now() + remainingMs - tookMs / 2;
    if (this.endsAt === null || Math.abs(endsAt - this.endsAt) >= 1000) this.endsAt = endsAt;
    if (this.said.size === 0) for (const mark of [120, 60, 30]) if (this.left() <= mark * 1000) this.said.add(mark);
    this.draw();
  }

  // After a sleep the monotonic clock may have stood still: show nothing until the server has answered.
  forget() {
    this.endsAt = null;
    this.draw();
  }

  left() {
    return this.endsAt === null ? null : this.endsAt - performance.now();
  }

  text() {
    const left = this.left();
    if (left === null) return "--:--";
    const seconds = Math.max(0, Math.ceil(left / 1000));
    return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
  }

  draw() {
    if (this.element && this.element.textContent !== this.text()) this.element.textContent = this.text();
  }

  // The mark (120, 60, 30 seconds) that has just been passed, once each; else null.
  passed() {
    const left = this.left();
    if (left === null) return null;
    for (const mark of [120, 60, 30]) {
      if (left <= mark * 1000 && !this.said.has(mark)) {
        this.said.add(mark);
        return mark;
      }
    }
    return null;
  }
}
