// Reads a token a line, and says of each whether panva/jose accepts it: node jose.mjs URL [SECONDS].
import { createInterface } from "node:readline";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [url, seconds] = process.argv.slice(2);
const short = { cacheMaxAge: Number(seconds) * 1000, cooldownDuration: 500 };
const keys = createRemoteJWKSet(new URL(url), seconds ? short : undefined);
for await (const token of createInterface({ input: process.stdin })) {
  try {
    await jwtVerify(token, keys, { algorithms: ["ES256"], audience: "api" });
    console.log("accepted");
  } catch (error) {
    console.log(`refused: ${error.code ?? error.name}`);
  }
}
