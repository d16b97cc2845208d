// An OpenID Provider that issues what Entra ID issues: an issuer with the tenant
// in its path, and the claims oid and tid. It prints its address when it is
// ready, and ends with its standard input.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const { tenant, tokenTenant, person, clientId, clientSecret, redirectUri } = JSON.parse(process.argv[2]);

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const base = `http://127.0.0.1:${server.address().port}`;
const prefix = `/${tenant}/v2.0`;
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const provider = new Provider(base + prefix, {
  clients: [{
    client_id: clientId,
    client_secret: clientSecret,
    redirect_uris: [redirectUri],
    response_types: ['code'],
    grant_types: ['authorization_code'],
    token_endpoint_auth_method: 'client_secret_post',
    id_token_signed_response_alg: 'RS256',
  }],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'test', use: 'sig', alg: 'RS256' }] },
  cookies: { keys: ['cookies of a test'] },
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], profile: ['oid', 'tid', 'name'] },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({ sub: id, oid: person, tid: tokenTenant, name: 'Kari Nordmann' }),
  }),
  features: { devInteractions: { enabled: true } },
});

const handle = provider.callback();
server.on('request', (req, res) => {
  if (!req.url.startsWith(prefix)) {
    res.writeHead(404).end();
    return;
  }
  req.originalUrl = req.url;
  req.url = req.url.slice(prefix.length) || '/';
  handle(req, res);
});
console.log(base);
process.stdin.resume().on('end', () => process.exit(0));
