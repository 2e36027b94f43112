/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents of wishes; the first byte chooses: a document, lines of ipvsadm-save, a pcap file, a tuple, an overlay, or a question of the page. What is
 * read is written, and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/balancer_door.h"
#include "base/buf.h"
#include "base/err.h"
#include "must.h"
#include "net/ipvs.h"
#include "net/overlay.h"
#include "net/why.h"
#include "net/wish.h"
#include "serve/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct wish *wish)
{
	struct wish_errors errors = { 0 };
	struct buf out = BUF_INIT, second = BUF_INIT;
	struct wish copy = { 0 };

	wish_yaml(wish, &out);
	MUST(wish_read(out.data, out.len, &copy, &errors) == 0);
	wish_yaml(&copy, &second);
	MUST(!strcmp(out.data, second.data));
	buf_fini(&out);
	buf_fini(&second);
	wish_errors_fini(&errors);
	wish_fini(&copy);
}

static void document(const char *text, size_t len)
{
	struct wish_errors errors = { 0 };
	struct wish wish = { 0 };

	if (wish_read(text, len, &wish, &errors) == 0)
		again(&wish);
	else
		MUST(errors.count > 0);
	wish_errors_fini(&errors);
	wish_fini(&wish);
}

static void lines(const char *text, size_t len)
{
	struct wish_errors cannot = { 0 }, errors = { 0 };
	struct wish wish = { 0 };

	MUST(ipvs_read(text, len, "eth0", &wish, &cannot) == 0);
	wish_check(&wish.ifs[0], &errors);
	if (!errors.count)
		again(&wish);
	wish_errors_fini(&cannot);
	wish_errors_fini(&errors);
	wish_fini(&wish);
}

static void pcap(const uint8_t *data, size_t len)
{
	struct err err = ERR_INIT;
	const uint8_t *frame;
	size_t at = 0, n = 0;

	while (why_pcap_next(data, len, &at, &frame, &n, &err) > 0)
		MUST(frame >= data && frame + n <= data + len);
}

static void tuple(const char *text, size_t len)
{
	char *copy = strndup(text, len);
	struct err err = ERR_INIT;
	uint8_t frame[128];
	size_t n;

	if (copy && why_frame(copy, 2, frame, &n, &err) == 0)
		MUST(n <= sizeof(frame));
	free(copy);
}

static void overlay(const char *text, size_t len)
{
	struct buf out = BUF_INIT, second = BUF_INIT;
	struct err err = ERR_INIT;
	struct overlay o, copy;

	if (overlay_read(text, len, "boot", &o, &err) < 0)
		return;
	overlay_text(&o, "boot", &out);
	MUST(overlay_read(out.data, out.len, "boot", &copy, &err) == 0);
	overlay_text(&copy, "boot", &second);
	MUST(!strcmp(out.data, second.data));
	overlay_fini(&o);
	overlay_fini(&copy);
	buf_fini(&out);
	buf_fini(&second);
}

/* What comes out lies within what went in, and both parts end there. */
static void question(const uint8_t *data, size_t len)
{
	struct serve_lb_question q = { 0 };
	char *copy = malloc(len + 1);

	if (copy) {
		memcpy(copy, data, len);
		if (door_parse(copy, len, &q) == 0) {
			MUST(strlen(q.on) < sizeof(q.on));
			MUST(strlen(q.on) + strlen(q.text) + 2 == len);
		}
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] == 'q') {
		question(data + 1, size - 1);
		return 0;
	}
	if (data[0] == 'o') {
		overlay((const char *)data + 1, size - 1);
		return 0;
	}
	switch (data[0] & 3) {
	case 0:
		document((const char *)data + 1, size - 1);
		break;
	case 1:
		lines((const char *)data + 1, size - 1);
		break;
	case 2:
		pcap(data + 1, size - 1);
		break;
	default:
		tuple((const char *)data + 1, size - 1);
	}
	return 0;
}
