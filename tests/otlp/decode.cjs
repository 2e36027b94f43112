#!/usr/bin/env node
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode.cjs DIR <FILE: an ExportTraceServiceRequest as OpenTelemetry's own JavaScript library decodes it, a line of JSON for each
 * span: with the attributes of its resource. DIR has node_modules (tests/ui/fetch.mjs). Numbers of 64 bits are texts.
 */
const { createRequire } = require('node:module');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

/* The package does not export its messages to importers, but files can be required by their path. */
const load = createRequire(join(process.argv[2], 'node_modules', 'x.js'));
const root = load(join(process.argv[2], 'node_modules/@opentelemetry/otlp-transformer/build/src/generated/root.js'));
const Request = root.opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;

const hex = (bytes) => Buffer.from(bytes ?? []).toString('hex');
const value = (v) => v.stringValue ?? v.boolValue ?? (v.intValue === undefined ? v.doubleValue : String(v.intValue));
const attributes = (list) => Object.fromEntries(list.map((a) => [a.key, value(a.value)]));

for (const r of Request.decode(readFileSync(0)).resourceSpans)
	for (const scope of r.scopeSpans)
		for (const s of scope.spans)
			console.log(JSON.stringify({
				resource: attributes(r.resource.attributes),
				scope: { name: scope.scope.name, version: scope.scope.version },
				trace: hex(s.traceId), id: hex(s.spanId), parent: hex(s.parentSpanId),
				name: s.name, kind: s.kind,
				start: String(s.startTimeUnixNano), end: String(s.endTimeUnixNano),
				attributes: attributes(s.attributes),
				links: s.links.map((l) => ({ trace: hex(l.traceId), id: hex(l.spanId) })),
				code: s.status?.code ?? 0, message: s.status?.message ?? '',
			}));
