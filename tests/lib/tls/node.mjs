// SPDX-License-Identifier: Apache-2.0
// node.mjs PORT CERTIFICATE - an HTTPS server; each answer repeats the path that was asked for.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

const pem = readFileSync(process.argv[3]);
createServer({ key: pem, cert: pem }, (request, response) => {
	const body = `answer to ${request.url}`;
	response.writeHead(200, { "X-Answer-To": request.url, "Content-Length": body.length });
	response.end(body);
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
