// Asks loginCheck in the two ways a script can, and writes down the answers.
"use strict";
const texts = document.querySelector("#answers").dataset;
const show = (id, text) => { document.getElementById(id).textContent = text; };
const answered = (id, loggedIn) => {
  show(id, loggedIn ? texts.yes : texts.no);
  const blocked = document.querySelector("#blocked"); // there for readers whom the newspaper knows
  if (blocked && !loggedIn) blocked.hidden = false;
};

fetch(texts.ajax, { credentials: "include" })
  .then((answer) => answer.json())
  .then((answer) => answered("ajax", answer.loggedIn))
  .catch(() => show("ajax", texts.failed));

const script = document.createElement("script");
script.src = texts.script;
script.onload = () => answered("script", window.connectidLoggedIn);
script.onerror = () => show("script", texts.failed);
document.head.append(script);
