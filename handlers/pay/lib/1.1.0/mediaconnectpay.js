/*! mediaconnectpay 1.1.0, Apache-2.0 */
(function (root) {
  'use strict';

  const VERSION = '1.1.0';
  const METHODS = ['creditcardPayex', 'vippsRecurring', 'vippsEcommerce'];
  const TITLES = { nb: 'Betaling', nn: 'Betaling', no: 'Betaling', sv: 'Betalning', da: 'Betaling', fi: 'Maksu' };
  const CULTURES = { nb: 'nb-NO', nn: 'nb-NO', no: 'nb-NO', sv: 'sv-SE', da: 'da-DK', fi: 'fi-FI', en: 'en-US' };

  const document = root.document;
  const runs = new Map(); // payments that are under way, by their sign
  const memory = new Map(); // what sessionStorage keeps, where it is closed to us
  let config;
  let policy;

  function fault(exceptionType, errorMessage) {
    return { exceptionType, errorMessage };
  }

  function refuseFrame() {
    if (root.top !== root.self) {
      throw new Error('mediaconnectpay does not run inside an iframe: show the payment in the top window');
    }
  }

  function isText(value) {
    return typeof value === 'string' && value !== '';
  }

  function init(options) {
    refuseFrame();
    const { baseUrl, elementId } = options || {};
    let url;
    try {
      url = new URL(baseUrl);
    } catch {
      // told below
    }
    if (!url || !/^https?:$/.test(url.protocol)) {
      throw new TypeError('mediaconnectpay.Api.init needs baseUrl, the address of mcPayApiServer');
    }
    if (!isText(elementId)) {
      throw new TypeError('mediaconnectpay.Api.init needs elementId, the id of an element of this page');
    }
    config = { base: (url.origin + url.pathname).replace(/\/+$/, ''), secure: url.protocol === 'https:', elementId };
  }

  function paymentInit(request, callback) {
    refuseFrame();
    if (!config) {
      throw new Error('mediaconnectpay.Api.init has to be called before paymentInit');
    }
    const { clientCode, sign } = request || {};
    const known = runs.get(sign);
    if (known) { // the second half of a double click, or a page that has drawn itself anew
      if (!known.left) {
        known.callback = callback || {};
        if (known.init) {
          tell(known, 'onInit', known.init);
          if (known.view && !known.view.isConnected) {
            show(known);
          }
        }
      }
      return;
    }
    runs.forEach(end); // the element has room for one
    const run = { clientCode, sign, callback: callback || {}, config, wake() {} };
    runs.set(sign, run);
    start(run);
  }

  async function start(run) {
    await null; // callbacks are called after paymentInit has returned
    if (!isText(run.clientCode) || !isText(run.sign)) {
      return fail(run, fault('InvalidRequest', 'paymentInit needs clientCode and sign'));
    }
    const method = methodOf(run.sign);
    if (isText(method) && !METHODS.includes(method)) {
      return fail(run, fault('InvalidClaim', 'paymentMethod is none that version ' + VERSION + ' of the script knows'));
    }
    const kept = recall(run);
    let answer = await ask(run, 'init', {
      clientCode: run.clientCode,
      sign: run.sign,
      attempt: run.attempt,
      script: VERSION,
      lang: document.documentElement.lang,
      page: root.location.href.split('#')[0], // where her bank sends her back to, if it wants the whole window
    });
    if (run.over) {
      return;
    }
    // It began before this page was loaded, and has ended or outlived its sign.
    if (!answer.ok && kept && (answer.status === 401 || answer.status === 409)) {
      run.init = { mcPayRef: kept };
      const standing = await ask(run, 'status', statusOf(run));
      if (run.over) {
        return;
      }
      if (standing.ok) {
        answer = standing;
      }
    }
    if (!answer.ok) {
      return fail(run, errorOf(answer));
    }
    const { mcPayRef, status, flow, redirectUrl, view } = answer.body;
    run.init = { mcPayRef };
    run.seen = { view, redirectUrl };
    remember(run);
    if (status !== 'open' && !(status === 'success' && flow === 'redirect' && redirectUrl)) {
      return finish(run, status);
    }
    if (status === 'open') {
      tell(run, 'onInit', run.init);
    }
    if (flow === 'redirect') {
      leave(run);
    } else {
      show(run);
    }
  }

  // What the browser keeps of a payment in this tab: the key that lets it go on with
  // what has begun, after a reload too.
  function recall(run) {
    run.key = 'mediaconnectpay.' + run.sign.split('.').pop();
    let kept = memory.get(run.key);
    try {
      kept = JSON.parse(root.sessionStorage.getItem(run.key)) || kept;
    } catch {
      // closed to us
    }
    if (kept && isText(kept.attempt)) {
      run.attempt = kept.attempt;
      return kept.mcPayRef;
    }
    const bytes = root.crypto.getRandomValues(new Uint8Array(16));
    run.attempt = root.btoa(String.fromCharCode(...bytes)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
    remember(run);
  }

  function remember(run) {
    const kept = { attempt: run.attempt, mcPayRef: run.init && run.init.mcPayRef };
    memory.set(run.key, kept);
    try {
      root.sessionStorage.setItem(run.key, JSON.stringify(kept));
    } catch {
      // closed to us
    }
  }

  function methodOf(sign) {
    try {
      return JSON.parse(root.atob(sign.split('.')[1].replace(/-/g, '+').replace(/_/g, '/'))).paymentMethod;
    } catch {
      return undefined; // the API says what is wrong with it
    }
  }

  function statusOf(run) {
    return { clientCode: run.clientCode, mcPayRef: run.init.mcPayRef, attempt: run.attempt };
  }

  async function post(run, path, body) {
    try {
      const response = await root.fetch(run.config.base + '/' + path, {
        method: 'POST',
        mode: 'cors',
        credentials: 'omit',
        cache: 'no-store',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(15000),
      });
      const read = await response.json();
      return { ok: response.ok, status: response.status, body: read, wait: 1000 * response.headers.get('Retry-After') || 0 };
    } catch {
      return { ok: false, status: 0, wait: 0 }; // no answer, or half of one
    }
  }

  // mayPass says whether the same call may well be answered later.
  function mayPass(status) {
    return status === 0 || status === 408 || status === 429 || status >= 500;
  }

  async function ask(run, path, body) {
    for (let tries = 1, pause = 500; ; tries++, pause *= 2) {
      const answer = await post(run, path, body);
      if (answer.ok || run.over || tries === 5 || !mayPass(answer.status)) {
        return answer;
      }
      await sleep(run, Math.max(answer.wait, pause * (1 + Math.random() / 2)));
    }
  }

  function sleep(run, pause) {
    return new Promise((wake) => {
      run.wake = wake;
      setTimeout(wake, pause);
    });
  }

  function errorOf(answer) {
    if (answer.body && isText(answer.body.exceptionType)) {
      return answer.body;
    }
    return fault('NetworkError', 'no answer from baseUrl: it is out of reach, or the origin of this page is not registered for the client');
  }

  // safe returns a URL that a provider's page may have, or undefined.
  function safe(run, address) {
    try {
      const url = new URL(address);
      if (url.protocol === 'https:' || url.protocol === 'http:' && !run.config.secure) {
        return url;
      }
    } catch {
      // none
    }
    return undefined;
  }

  function leave(run) {
    const { redirectUrl } = run.seen;
    if (!safe(run, redirectUrl)) {
      return fail(run, fault('InvalidAnswer', 'the API named no address to go to'));
    }
    run.left = true; // until a double click is over
    setTimeout(end, 3000, run);
    if (typeof run.callback.onRedirect === 'function') {
      tell(run, 'onRedirect', { mcPayRef: run.init.mcPayRef, redirectUrl });
    } else {
      root.location.assign(redirectUrl);
    }
  }

  function show(run) {
    const { view } = run.seen;
    const url = safe(run, view && view.url);
    const host = document.getElementById(run.config.elementId);
    if (!url) {
      return fail(run, fault('InvalidAnswer', 'the API named no view to show'));
    }
    if (!host) {
      return fail(run, fault('InvalidRequest', 'this page has no element with the id ' + run.config.elementId));
    }
    clear(run);
    if (view.kind === 'payex') {
      showPayEx(run, host, url);
    } else {
      showFrame(run, host, url);
    }
    if (!run.watched && !run.over) {
      run.watched = true;
      watch(run);
    }
  }

  function language() {
    return document.documentElement.lang.slice(0, 2).toLowerCase();
  }

  function showFrame(run, host, url) {
    const frame = document.createElement('iframe');
    frame.title = TITLES[language()] || 'Payment';
    frame.allow = 'payment';
    // One by one: the host page's policy may forbid style attributes.
    Object.assign(frame.style, { display: 'block', width: '100%', height: '600px', border: '0' });
    frame.src = url.href;
    const listen = (message) => {
      const said = message.data;
      if (message.source !== frame.contentWindow || message.origin !== url.origin || !said || said.mcPayRef !== run.init.mcPayRef) {
        return;
      }
      if (said.event === 'height' && said.height > 0 && said.height <= 5000) {
        frame.style.height = Math.ceil(said.height) + 'px';
      } else if (said.event === 'success' || said.event === 'failure' || said.event === 'cancel') {
        hint(run);
      }
    };
    root.addEventListener('message', listen);
    run.view = frame;
    run.clear = () => {
      root.removeEventListener('message', listen);
      frame.remove();
    };
    host.append(frame);
  }

  // Swedbank Pay, checkout v3: seamless view.
  function showPayEx(run, host, url) {
    const box = document.createElement('div');
    const script = document.createElement('script');
    box.id = run.config.elementId + '-view';
    try {
      script.src = trusted(url.href);
    } catch {
      return fail(run, fault('ProviderError', 'the host page forbids the Trusted Types policy mediaconnectpay'));
    }
    const checkout = (options) => root.payex.hostedView.checkout(options);
    script.onload = () => {
      if (run.view !== box) {
        return;
      }
      const options = {
        container: { checkout: box.id },
        onPaid: (event) => hint(run, event),
        onAborted: (event) => hint(run, event),
        onError: (event) => {
          run.broken = true;
          hint(run, event);
        },
      };
      const culture = CULTURES[language()];
      if (culture) {
        options.culture = culture;
      }
      try {
        checkout(options).open();
        run.opened = true;
      } catch {
        script.onerror();
      }
    };
    script.onerror = () => {
      if (run.view === box) {
        fail(run, fault('ProviderError', 'the view of the payment provider can not be shown'));
      }
    };
    run.view = box;
    run.clear = () => {
      try {
        if (run.opened) {
          checkout().close();
        }
      } catch {
        // it is gone already
      }
      script.remove();
      box.remove();
    };
    host.append(box);
    document.head.append(script);
  }

  // trusted lets the address pass where the host page requires Trusted Types.
  function trusted(address) {
    if (!root.trustedTypes) {
      return address;
    }
    policy = policy || root.trustedTypes.createPolicy('mediaconnectpay', { createScriptURL: (s) => s });
    return policy.createScriptURL(address);
  }

  // What a view says is a hint: the API is asked at once, and more often from then on.
  function hint(run, event) {
    run.provider = event || run.provider;
    run.hinted = true;
    run.pause = 300;
    run.wake();
  }

  async function watch(run) {
    run.pause = 5000;
    while (!run.over) {
      await sleep(run, run.pause);
      if (!run.over && !run.hinted && !run.view.isConnected) {
        end(run); // the page has taken the view away
      }
      if (run.over) {
        return;
      }
      const answer = await post(run, 'status', statusOf(run));
      if (run.over) {
        return;
      }
      if (answer.ok && answer.body.status !== 'open') {
        return finish(run, answer.body.status);
      }
      if (!answer.ok && !mayPass(answer.status)) {
        return fail(run, errorOf(answer));
      }
      if (answer.ok && run.broken) {
        return fail(run, fault('ProviderError', 'the view of the payment provider has reported an error'));
      }
      run.pause = Math.max(answer.wait, Math.min(run.pause * 2, run.hinted ? 5000 : 30000));
    }
  }

  function finish(run, status) {
    if (status === 'success') {
      end(run);
      tell(run, 'onSuccess', run.init, run.provider);
    } else if (status === 'cancel') {
      fail(run, fault('PaymentCancelled', 'the payer has cancelled the payment'), 'cancel');
    } else {
      fail(run, fault('PaymentFailed', 'the payment has failed'));
    }
  }

  function fail(run, error, ...reason) {
    end(run);
    tell(run, 'onFailure', run.init, error, run.provider, ...reason);
  }

  function clear(run) {
    if (run.clear) {
      run.clear();
      run.clear = run.opened = undefined;
    }
  }

  function end(run) {
    run.over = true;
    run.wake();
    clear(run);
    if (runs.get(run.sign) === run) {
      runs.delete(run.sign);
    }
  }

  // tell calls a callback of the page. What it throws is the page's own error.
  function tell(run, name, ...args) {
    try {
      if (typeof run.callback[name] === 'function') {
        run.callback[name](...args);
      }
    } catch (error) {
      setTimeout(() => {
        throw error;
      });
    }
  }

  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) { // back from an app, perhaps
      runs.forEach((run) => run.watched && run.wake());
    }
  });
  root.addEventListener('pageshow', (event) => {
    if (event.persisted) { // back from the provider
      runs.forEach((run) => run.left && end(run));
    }
  });

  root.mediaconnectpay = Object.freeze({ version: VERSION, Api: Object.freeze({ init, paymentInit }) });
})(window);
