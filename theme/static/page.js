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

// A page that Back takes out of the browser's memory can be sent again.
addEventListener("pageshow", (event) => {
  if (event.persisted) {
    for (const form of document.forms) form.ariaBusy = null;
  }
});
