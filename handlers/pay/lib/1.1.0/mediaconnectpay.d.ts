// mediaconnectpay 1.1.0, Apache-2.0

/** The payment script: it defines mediaconnectpay in the window of the page. */
declare namespace mediaconnectpay {
  /** Version of the script. */
  const version: string;

  namespace Api {
    /**
     * Says where the API is and where the page has room for what is shown. Called once,
     * before paymentInit.
     * @throws inside an iframe, and for options that are missing.
     */
    function init(options: InitOptions): void;

    /**
     * Begins a payment, or goes on with the one that has begun with the same sign in this
     * tab. Callbacks are called after it has returned.
     * @throws inside an iframe, and before init.
     */
    function paymentInit(request: PaymentInitRequest, callback?: PaymentInitCallback): void;
  }

  interface InitOptions {
    /** Address of mcPayApiServer. */
    baseUrl: string;
    /** Id of the element that the view of a seamless payment is placed in. */
    elementId: string;
  }

  interface PaymentInitRequest {
    clientCode: string;
    /** JWT (HS512) that the client's server has signed; its paymentMethod is one of
     * 'creditcardPayex' and 'vippsRecurring' and 'vippsEcommerce'. */
    sign: string;
  }

  interface PaymentInitResponse {
    /** Id of the payment; after success it is named in the order. */
    mcPayRef: string;
  }

  interface PaymentInitRedirectResponse extends PaymentInitResponse {
    redirectUrl: string;
  }

  interface ErrorResponse {
    /** Kind of the fault, for programs. */
    exceptionType: string;
    /** For the developer of the page, not for readers. */
    errorMessage: string;
    /** Code of the fault, where the API has answered. */
    error?: string;
  }

  interface PaymentInitCallback {
    /** The payment was initialized; the user may fulfil it. */
    onInit?(paymentInitResponse: PaymentInitResponse): void;
    /** The payment succeeded. With the flow seamless only. */
    onSuccess?(paymentInitResponse: PaymentInitResponse, providerResponse?: unknown): void;
    /** The payment failed, or was not begun: then the first argument is undefined. */
    onFailure?(
      paymentInitResponse: PaymentInitResponse | undefined,
      errorResponse: ErrorResponse,
      providerResponse?: unknown,
      reason?: 'cancel' | string,
    ): void;
    /** Goes to redirectUrl in place of the script, which would do it in the same window. */
    onRedirect?(redirectResponse: PaymentInitRedirectResponse): void;
  }
}
