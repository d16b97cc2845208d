// A site by npm's openid-client. It reads one call a line from its standard input,
// [method, parameters], answers each with a line, and ends with its input.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const sites = new Map() // by the name that the test gives them
const attempts = new Map() // by state; all sites know them, the thief's too

const auths = { basic: client.ClientSecretBasic, post: client.ClientSecretPost, none: client.None }

// Each method gets the site and the parameters of the call.
const methods = {
  async discover(_, { name, issuer, clientId, secret, auth }) {
    const site = { requests: [] }
    const recorded = async (url, options) => {
      const response = await fetch(url, options)
      site.requests.push(`${options.method} ${new URL(url).pathname} ${response.status}`)
      return response
    }
    site.config = await client.discovery(new URL(issuer), clientId, undefined, auths[auth](secret), {
      execute: [client.allowInsecureRequests], // http, on loopback
      [client.customFetch]: recorded,
    })
    site.dpop = client.getDPoPHandle(site.config, await client.randomDPoPKeyPair())
    sites.set(name, site)
    return { ...site.config.serverMetadata(), pkce: site.config.serverMetadata().supportsPKCE() }
  },

  async authorize(site, { redirectUri, params, par, dpop }) {
    const attempt = { verifier: client.randomPKCECodeVerifier(), state: client.randomState(), nonce: client.randomNonce() }
    attempts.set(attempt.state, attempt)
    const query = new URLSearchParams({
      redirect_uri: redirectUri,
      scope: 'openid profile email',
      state: attempt.state,
      nonce: attempt.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(attempt.verifier),
      code_challenge_method: 'S256',
    })
    for (const [name, value] of params ?? []) query.append(name, value)
    if (query.has('max_age')) attempt.maxAge = Number(query.get('max_age'))
    const url = par
      ? await client.buildAuthorizationUrlWithPAR(site.config, query, options(site, dpop))
      : client.buildAuthorizationUrl(site.config, query)
    return { url: url.href, state: attempt.state }
  },

  // state names the attempt, as the visitor's session at the site would. wrong
  // replaces what the site expects.
  async callback(site, { state, url, params, dpop, wrong }) {
    const attempt = attempts.get(state)
    return tokens(await client.authorizationCodeGrant(site.config, new URL(url), {
      expectedState: attempt.state,
      expectedNonce: attempt.nonce,
      pkceCodeVerifier: attempt.verifier,
      maxAge: attempt.maxAge,
      idTokenExpected: true,
      ...wrong,
    }, new URLSearchParams(params ?? []), options(site, dpop)))
  },

  async refresh(site, { token, params, dpop }) {
    return tokens(await client.refreshTokenGrant(site.config, token, new URLSearchParams(params ?? []), options(site, dpop)))
  },

  async clientCredentials(site, { params, dpop }) {
    return tokens(await client.clientCredentialsGrant(site.config, new URLSearchParams(params ?? []), options(site, dpop)))
  },

  async userInfo(site, { token, subject, dpop }) {
    return client.fetchUserInfo(site.config, token, subject, options(site, dpop))
  },

  async resource(site, { token, url, dpop }) {
    const response = await client.fetchProtectedResource(site.config, token, new URL(url), 'GET', null, undefined, options(site, dpop))
    return { status: response.status, body: await response.json() }
  },

  async introspect(site, { token }) {
    return client.tokenIntrospection(site.config, token)
  },

  async revoke(site, { token }) {
    await client.tokenRevocation(site.config, token)
    return null
  },

  async endSession(site, { params }) {
    return client.buildEndSessionUrl(site.config, new URLSearchParams(params)).href
  },

  async thumbprint(site) {
    return site.dpop.calculateThumbprint()
  },
}

function options(site, dpop) {
  return dpop ? { DPoP: site.dpop } : undefined
}

function tokens(response) {
  return { ...response, claims: response.claims() }
}

// The library hides the reason in the causes of its errors.
function reason(err) {
  const said = []
  for (let e = err; e instanceof Error; e = e.cause) {
    said.push(e.message)
    for (const challenge of e instanceof client.WWWAuthenticateChallengeError ? e.cause : []) {
      said.push(challenge.scheme, challenge.parameters.error ?? '')
    }
  }
  return { error: err.error ?? '', status: err.status ?? 0, code: err.code ?? '', message: said.join(': ') }
}

for await (const line of createInterface({ input: process.stdin })) {
  const [method, params] = JSON.parse(line)
  const site = sites.get(params.name)
  const answer = {}
  try {
    answer.result = await methods[method](site, params)
  } catch (err) {
    answer.refused = reason(err)
  }
  const { requests } = sites.get(params.name) ?? { requests: [] }
  answer.requests = requests.splice(0)
  console.log(JSON.stringify(answer))
}
