/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/secret.h"

#include <ctype.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/late.h"

#define CRYPTO(X) X(HMAC) X(EVP_sha256) X(CRYPTO_memcmp)
CRYPTO(LATE_POINTER)
static const struct late_symbol crypto[] = { CRYPTO(LATE_SYMBOL) };

#define PIECES_MAX 2048 /* bytes together */

int secret_prepare(struct err *err)
{
	return late_load(SAKER_LATE_CRYPTO, crypto, ARRAY_LEN(crypto), err);
}

static int mode_check(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_errno(err, errno, "cannot look at the key file '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, EINVAL, "the key file '%s' is no regular file", path);
	if (st.st_mode & S_IRWXO)
		return err_set(err, EPERM, "the key file '%s' is open to everybody (mode %04o): chmod o= '%s'", path,
			       st.st_mode & 07777, path);
	return 0;
}

int secret_read(const char *path, struct secret *ret, struct err *err)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t room[SECRET_MAX + 2];
	ssize_t n;
	int r;

	if (fd < 0)
		return err_errno(err, errno, "cannot open the key file '%s'", path);
	r = mode_check(fd, path, err);
	if (r < 0)
		return r;
	n = read(fd, room, sizeof(room));
	if (n < 0)
		return err_errno(err, errno, "cannot read the key file '%s'", path);
	while (n > 0 && isspace(room[n - 1]))
		n--;
	if (n < SECRET_MIN || n > SECRET_MAX)
		return err_set(err, EINVAL, "the key file '%s' has %s than %d bytes", path,
			       n < SECRET_MIN ? "less" : "more", n < SECRET_MIN ? SECRET_MIN : SECRET_MAX);
	r = secret_prepare(err);
	if (r < 0)
		return r;
	memcpy(ret->bytes, room, (size_t)n);
	ret->len = (size_t)n;
	explicit_bzero(room, sizeof(room));
	return 0;
}

void secret_mac(const uint8_t *key, size_t key_len, const struct secret_piece *pieces, size_t n,
		uint8_t ret[SECRET_MAC])
{
	uint8_t room[PIECES_MAX];
	unsigned int len = SECRET_MAC;
	size_t at = 0, i;

	for (i = 0; i < n; i++) {
		if (pieces[i].len > sizeof(room) - at)
			abort(); /* no caller has so much */
		memcpy(room + at, pieces[i].data, pieces[i].len);
		at += pieces[i].len;
	}
	if (!late_HMAC(late_EVP_sha256(), key, (int)key_len, room, at, ret, &len))
		abort(); /* out of memory: nothing may be said unsigned */
}

bool secret_equal(const uint8_t a[SECRET_MAC], const uint8_t b[SECRET_MAC])
{
	return late_CRYPTO_memcmp(a, b, SECRET_MAC) == 0;
}

void secret_random(void *out, size_t len)
{
	if (getrandom(out, len, 0) != (ssize_t)len)
		abort(); /* at most 256 bytes are asked for: getrandom(2) does not cut those short */
}
