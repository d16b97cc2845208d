// Tells the page around what happened, and looks again while the bank is slow. The
// pages work without it.
(() => {
  "use strict";
  const {ref, origins, event, wait} = document.documentElement.dataset;
  if (wait) {
    setTimeout(() => location.replace(location.pathname), Number(wait));
  }
  if (!origins || window.parent === window) {
    return;
  }
  // Where browsers say who is around, nobody else is spoken to in vain.
  const around = location.ancestorOrigins;
  const allowed = origins.split(" ").filter((origin) => !around || around[0] === origin);
  const tell = (message) => allowed.forEach((origin) => window.parent.postMessage({mcPayRef: ref, ...message}, origin));
  new ResizeObserver(() => tell({event: "height", height: Math.ceil(document.body.getBoundingClientRect().height)})).observe(document.body);
  if (event) {
    tell({event});
  }
})();
