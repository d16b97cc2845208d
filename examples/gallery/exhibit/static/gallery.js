// Shows the pages anew when a file of the client's folder has been saved.
"use strict";
new EventSource("/changes").onmessage = () => location.reload();
for (const select of document.querySelectorAll("select")) {
  select.addEventListener("change", () => select.form.submit());
}
