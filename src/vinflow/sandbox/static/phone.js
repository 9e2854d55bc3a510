// Everything here only saves a tap: each way also works as a plain form. Pictures leave as pixels.
const form = document.querySelector("[data-picture]");

if (form) {
  const state = form.querySelector("[role=status]");
  const picker = form.querySelector('[data-testid="phone-file"]');
  const drop = form.querySelector("[data-drop]");

  const send = () => {
    state.textContent = state.dataset.reading;
    form.requestSubmit();
  };
  const take = (file) => {
    if (!file) return;
    const held = new DataTransfer();
    held.items.add(file);
    picker.files = held.files;
    send();
  };
  const picture = (items) => [...items].find((file) => file.type.startsWith("image/"));

  for (const input of form.querySelectorAll('input[type="file"]')) {
    input.addEventListener("change", () => input.files.length && send());
  }
  addEventListener("paste", (event) => {
    const file = picture(event.clipboardData?.files ?? []);
    if (file) {
      event.preventDefault();
      take(file);
    }
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
  addEventListener("pageshow", () => {
    state.textContent = "";
    form.reset();
  });

  camera(form, state);
}

function camera(form, state) {
  const button = form.querySelector("[data-scan]");
  const viewer = form.querySelector(".viewer");
  const video = viewer.querySelector("video");
  const canvas = document.createElement("canvas");
  const start = button.textContent;
  let stream = null;
  if (!navigator.mediaDevices?.getUserMedia) return;
  button.hidden = false;

  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    viewer.hidden = true;
    button.textContent = start;
  };
  const look = async () => {
    if (!stream) return;
    if (video.videoWidth) {
      const scale = Math.min(1, 1280 / Math.max(video.videoWidth, video.videoHeight));
      canvas.width = Math.round(video.videoWidth * scale);
      canvas.height = Math.round(video.videoHeight * scale);
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      const frame = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
      const body = new FormData();
      body.append("picture", frame, "frame.jpg");
      try {
        const answer = await fetch("/phone/read", { method: "POST", body, headers: { Accept: "application/json" } });
        const found = await answer.json();
        if (stream && found.url) {
          stop();
          location.assign(found.url);
          return;
        }
      } catch {
        // the next frame tries again
      }
    }
    setTimeout(look, 400);
  };
  button.addEventListener("click", async () => {
    if (stream) return stop();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
    } catch {
      state.textContent = state.dataset.camera;
      return;
    }
    video.srcObject = stream;
    viewer.hidden = false;
    button.textContent = button.dataset.stop;
    await video.play();
    look();
  });
  addEventListener("pagehide", stop);
}

const pay = document.querySelector("[data-pay]");
if (pay) {
  const pin = pay.querySelector('[name="pin"]');
  const keys = pay.querySelector("[data-keys]");
  const button = pay.querySelector('[data-testid="phone-pay"]');
  const label = button.textContent;
  if (keys) {
    keys.hidden = false;
    keys.addEventListener("click", (event) => {
      const key = event.target.closest("[data-key]")?.dataset.key;
      if (!key) return;
      pin.value = key === "<" ? pin.value.slice(0, -1) : (pin.value + key).slice(0, 4);
    });
  }
  // Money is sent once, however often the button is tapped.
  pay.addEventListener("submit", () => {
    button.disabled = true;
    button.textContent = pay.dataset.paying;
  });
  addEventListener("pageshow", () => {
    button.disabled = false;
    button.textContent = label;
  });
}

const timer = document.querySelector("[data-left]");
if (timer) {
  const end = performance.now() + Number(timer.dataset.left);
  const tick = () => {
    const seconds = Math.max(0, Math.floor((end - performance.now()) / 1000));
    timer.textContent = `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
    timer.classList.toggle("urgent", seconds < 60);
    if (seconds) setTimeout(tick, 1000);
  };
  tick();
}
