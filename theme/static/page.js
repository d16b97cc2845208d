// Small comforts for forms. Without this file every page works as well.
"use strict";

for (const form of document.forms) {
  // One answer per press: a second press while the first is on its way does nothing.
  // A form that is answered by a file stays open, and can be used on.
  form.addEventListener("submit", (event) => {
    if (form.dataset.submit === "stays") return;
    if (form.ariaBusy === "true") {
      event.preventDefault();
      return;
    }
    form.ariaBusy = "true";
    setTimeout(() => { form.ariaBusy = null; }, 10000);
  });

  // A button that shows what was typed as a password.
  for (const input of form.querySelectorAll("input[data-show]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "reveal";
    button.setAttribute("aria-controls", input.id);
    const label = () => { button.textContent = input.type === "password" ? input.dataset.show : input.dataset.hide; };
    button.addEventListener("click", () => {
      input.type = input.type === "password" ? "text" : "password";
      label();
    });
    // Hidden again before it is sent, so that browsers offer to save it as a password.
    form.addEventListener("submit", () => { input.type = "password"; label(); });
    label();
    input.after(button);
  }

  // The page that submits itself does so once: after Back it waits for the reader.
  if (form.dataset.submit === "once" && !(history.state && history.state.submitted)) {
    history.replaceState({ submitted: true }, "");
    form.requestSubmit(form.querySelector("button"));
  }
}

// A challenge: find for each part a number whose hash begins with so many zero
// bits, while the reader fills in the form. A form that is sent earlier waits.
async function solve(task) {
  const [bits, parts, seed] = task.split(":");
  const numbers = [];
  const text = new TextEncoder();
  for (let part = 0; part < Number(parts); part++) {
    for (let n = 0, found = false; !found; n += 256) {
      const hashes = await Promise.all(Array.from({ length: 256 }, (_, i) =>
        crypto.subtle.digest("SHA-256", text.encode(`${seed}:${part}:${n + i}`))));
      const i = hashes.findIndex((hash) => Math.clz32(new DataView(hash).getUint32(0)) >= Number(bits));
      if (i >= 0) { numbers.push(n + i); found = true; }
    }
  }
  return numbers.join(",");
}

const task = document.getElementById("captchaTask");
if (task && /^\d+:\d+:\w+$/.test(task.dataset.task) && globalThis.crypto && crypto.subtle) {
  const says = task.form.querySelector(".captcha");
  let waiting = null;
  says.textContent = says.dataset.working;
  task.form.addEventListener("submit", (event) => {
    if (task.value || (event.submitter && event.submitter.formNoValidate && event.submitter.value === "navigateAwayEvent")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    waiting = event.submitter;
  }, { capture: true });
  solve(task.dataset.task).then((numbers) => {
    task.value = numbers;
    says.textContent = says.dataset.done;
    if (waiting) task.form.requestSubmit(waiting);
  });
}

// A page that Back takes out of the browser's memory can be sent again.
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    for (const form of document.forms) form.ariaBusy = null;
  }
});
