// An OpenID Connect server on loopback, for tests: oidc-provider with its state in memory.
//
// It prints one line, {"issuer": …}, once it listens, and ends with its standard input. Commands, one a line, each answered by
// {"done": …}:
//   advance N    its clock goes N seconds ahead: what it keeps for a time (a client's key set: 60 s at least) runs out.
// A registration may say which id and secret the client gets, in the headers X-Client-Id and X-Client-Secret (base64).

import * as crypto from 'node:crypto';
import * as http from 'node:http';
import * as readline from 'node:readline';
import { pathToFileURL } from 'node:url';

const { ROTATOR_MODULES: modules, ROTATOR_INITIAL_TOKEN: initialAccessToken } = process.env;
const { default: Provider } = await import(pathToFileURL(`${modules}/oidc-provider/lib/index.js`));

let ahead = 0;
const now = Date.now.bind(Date);
Date.now = () => now() + ahead * 1000;

const told = (ctx, header) => {
  const value = ctx.get(header);
  return value ? Buffer.from(value, 'base64').toString('utf8') : crypto.randomBytes(24).toString('base64url');
};
const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });

const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    cookies: { keys: [crypto.randomBytes(16).toString('hex')] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: async () => true },
      registration: {
        enabled: true,
        initialAccessToken,
        idFactory: (ctx) => told(ctx, 'x-client-id'),
        secretFactory: async (ctx) => told(ctx, 'x-client-secret'),
      },
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
      revocation: { enabled: true, allowedPolicy: async () => true },
    },
    // Its own guard refuses loopback, where the tests publish their key sets.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'ES256', kid: 'own' }] },
    enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA'] },
    ttl: { ClientCredentials: () => 600 },
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({ issuer }));
});

readline
  .createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [command, argument] = line.split(' ');
    if (command === 'advance') ahead += Number(argument);
    console.log(JSON.stringify({ done: line }));
  })
  .on('close', () => process.exit(0));
