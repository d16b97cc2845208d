// Asks loginCheck in the two ways a script can, and writes down the answers.
"use strict";
const texts = document.querySelector("#answers").dataset;
const show = (id, text) => { document.getElementById(id).textContent = text; };

fetch(texts.ajax, { credentials: "include" })
  .then((answer) => answer.json())
  .then((answer) => show("ajax", answer.loggedIn ? texts.yes : texts.no))
  .catch(() => show("ajax", texts.failed));

const script = document.createElement("script");
script.src = texts.script;
script.onload = () => show("script", window.connectidLoggedIn ? texts.yes : texts.no);
script.onerror = () => show("script", texts.failed);
document.head.append(script);
