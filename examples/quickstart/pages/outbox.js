// Reloads the page when something has been sent.
"use strict";
const shown = Number(document.getElementById("count").dataset.count);
setInterval(async () => {
  if (document.hidden) return;
  try {
    const sent = await (await fetch("/demo/outbox.json")).json();
    if (sent.length !== shown) location.reload();
  } catch {
    // The quickstart has been stopped; it may come back.
  }
}, 2000);
