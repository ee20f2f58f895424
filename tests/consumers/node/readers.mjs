// Reads sessions as applications do, each by its own library. A line of JSON on the standard input is one question, a line of JSON
// on the standard output its answer. ROTATOR_MODULES is the folder of the libraries.
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const resolve = createRequire(`${process.env.ROTATOR_MODULES}/`).resolve;
const session = (await import(pathToFileURL(resolve("express-session")))).default;
const { Auth, setEnvDefaults } = await import(pathToFileURL(`${process.env.ROTATOR_MODULES}/@auth/core/index.js`));
const { encode } = await import(pathToFileURL(`${process.env.ROTATOR_MODULES}/@auth/core/jwt.js`));

// --- express-session: real requests, and one store that all pods share ------------------------------------------------

const store = new session.MemoryStore();
const pods = new Map();

function pod(secrets) {
  if (!pods.has(secrets)) {
    pods.set(secrets, session({ secret: secrets.split(","), store, resave: false, saveUninitialized: false }));
  }
  return pods.get(secrets);
}

const server = createServer((request, response) => {
  pod(request.headers["x-secrets"])(request, response, () => {
    const known = request.session.user !== undefined;
    if (!known) request.session.user = request.headers["x-user"];
    response.end(JSON.stringify({ known }));
  });
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

async function ask(given, headers) {
  const address = `http://127.0.0.1:${server.address().port}/`;
  return fetch(address, { headers: { "x-secrets": given.SESSION_SECRETS, "x-user": "0", ...headers } });
}

const express = {
  begins: async (given, user) => {
    const answer = await ask(given, { "x-user": String(user) });
    await answer.text();
    return answer.headers.get("set-cookie").split(";")[0];
  },
  accepts: async (given, cookie) => (await (await ask(given, { cookie })).json()).known,
};

// --- Auth.js: its own token, and its own answer to /auth/session -----------------------------------------------------

const COOKIE = "authjs.session-token";

function config(given) {
  const made = { providers: [], trustHost: true, basePath: "/auth", session: { strategy: "jwt" } };
  setEnvDefaults(given, made);
  return made;
}

const authjs = {
  begins: (given, user) => encode({ token: { name: String(user) }, secret: config(given).secret, salt: COOKIE }),
  accepts: async (given, token) => {
    const headers = { cookie: `${COOKIE}=${token}` };
    const answer = await Auth(new Request("http://localhost/auth/session", { headers }), {
      ...config(given),
      logger: { error() {}, warn() {}, debug() {} },
    });
    return (await answer.json())?.user !== undefined;
  },
};

// --- questions ---------------------------------------------------------------------------------------------------------

const readers = { "express-session": express, authjs };
for await (const line of createInterface({ input: process.stdin })) {
  const { name, asks, given, what } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(await readers[name][asks](given, what))}\n`);
}
process.exit(0);
