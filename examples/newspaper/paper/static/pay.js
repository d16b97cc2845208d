// What a client's own page does with the payment script: tell it who asks and what
// was signed, and go on when it says how the payment has ended.
'use strict';
{
  const box = document.getElementById('payment');
  const state = document.getElementById('pay-state');
  const { base, client, sign, ready, failed, cancelled } = box.dataset;
  const done = (ref) => { location.assign('/subscribe/paid?status=success&mcPayRef=' + encodeURIComponent(ref)); };
  mediaconnectpay.Api.init({ baseUrl: base, elementId: 'payment' });
  mediaconnectpay.Api.paymentInit({ clientCode: client, sign }, {
    onInit() { state.textContent = ready; },
    onSuccess(payment) { done(payment.mcPayRef); },
    onFailure(payment, error, provider, reason) {
      state.textContent = reason === 'cancel' ? cancelled : failed;
      box.replaceChildren();
    },
  });
}
