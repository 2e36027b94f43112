/* SPDX-License-Identifier: Apache-2.0 */
#include "item.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stores.h"

#define DEEP 3 /* every third item needs the next application */
#define FLUSH_BYTES 262144
#define NS_PER_MS 1000000ULL

/* How long the steps of a request took. */
struct took {
	uint64_t begin, lock, redis, redis_blocked, query, next, flush, flush_blocked, lock_blocked, held, cpu_wait;
	uint32_t resent;
};

static struct {
	const char *name, *listen, *truth, *disk;
	int truth_fd, workers;
	pthread_mutex_t lock;
	uint64_t served; /* under lock */
	struct wires redis, db, next;
} shop;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static const char *setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	value = value ? value : otherwise;
	if (value)
		return value;
	fprintf(stderr, "shop: %s is not set\n", name);
	exit(1);
}

void item_init(void)
{
	shop.name = setting("SHOP_NAME", NULL);
	shop.listen = setting("SHOP_LISTEN", NULL);
	shop.truth = setting("SHOP_TRUTH", "");
	shop.disk = setting("SHOP_DISK", ".");
	shop.workers = atoi(setting("SHOP_WORKERS", "4"));
	shop.redis = (struct wires)WIRES_INIT(setting("SHOP_REDIS", NULL), NULL);
	shop.db = (struct wires)WIRES_INIT(setting("SHOP_DB", NULL), stores_hello);
	shop.next = (struct wires)WIRES_INIT(setting("SHOP_NEXT", ""), NULL);
	pthread_mutex_init(&shop.lock, NULL);
	shop.truth_fd = *shop.truth ? open(shop.truth, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
}

const char *item_listen(void)
{
	return shop.listen;
}

int item_workers(void)
{
	return shop.workers;
}

/* How long this thread ran, and was kept from running although it could have, as the kernel counts it; 0: no truth wanted. */
struct cpu {
	uint64_t ran, wait;
};

static struct cpu cpu_now(void)
{
	static __thread int fd = -1;
	struct cpu c = { 0 };
	char text[96];
	ssize_t n;

	if (shop.truth_fd < 0)
		return c;
	if (fd < 0)
		fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	(void)sscanf(text, "%" SCNu64 " %" SCNu64, &c.ran, &c.wait);
	return c;
}

/* How much of the time since then it waited for something else. */
static uint64_t blocked(uint64_t ns, struct cpu before)
{
	struct cpu now = cpu_now();
	uint64_t not = now.ran - before.ran + now.wait - before.wait;

	return ns > not ? ns - not : 0;
}

/* The milliseconds of a fault of that kind, 0: not planted in this request */
static unsigned fault_ms(const struct http_request *r, const char *kind)
{
	size_t len = strlen(kind);

	return strncmp(r->fault, kind, len) || r->fault[len] != '=' ? 0 : (unsigned)atoi(r->fault + len + 1);
}

static void step_lock(const struct http_request *r, struct took *t)
{
	unsigned ms = fault_ms(r, "lock");
	struct timespec hold = { ms / 1000, ms % 1000 * 1000000L };
	uint64_t begin = now_ns(), got;
	struct cpu before;

	if (pthread_mutex_trylock(&shop.lock)) {
		before = cpu_now();
		pthread_mutex_lock(&shop.lock);
		t->lock_blocked = blocked(now_ns() - begin, before);
	}
	got = now_ns();
	t->lock = got - begin;
	shop.served++;
	if (ms)
		nanosleep(&hold, NULL);
	t->held = ms ? now_ns() - got : 0;
	pthread_mutex_unlock(&shop.lock);
}

static int step_query(const struct http_request *r, int item, struct took *t, char *name, size_t cap)
{
	unsigned ms = fault_ms(r, "query");
	uint64_t begin = now_ns();
	char sql[256], slow[64] = "";
	int ret;

	if (ms)
		snprintf(slow, sizeof(slow), ", pg_sleep(%u.%03u)", ms / 1000, ms % 1000);
	snprintf(sql, sizeof(sql), "select name, stock%s from item where id = %d%s%s%s", slow, item,
		 *r->id ? " /* " : "", r->id, *r->id ? " */" : "");
	ret = stores_query(&shop.db, sql, name, cap);
	t->query = now_ns() - begin;
	return ret;
}

/* Writes and waits until it is on the disk, again and again until that time is over. */
static int flush_for(int fd, unsigned ms)
{
	static const char data[FLUSH_BYTES];
	uint64_t end = now_ns() + ms * NS_PER_MS;

	while (now_ns() < end)
		if (write(fd, data, sizeof(data)) != sizeof(data) || fsync(fd))
			return -1;
	return 0;
}

static void step_flush(const struct http_request *r, struct took *t)
{
	unsigned ms = fault_ms(r, "flush");
	uint64_t begin = now_ns();
	struct cpu before = cpu_now();
	char path[256];
	int fd;

	if (!ms)
		return;
	snprintf(path, sizeof(path), "%s/%s.%d", shop.disk, shop.name, gettid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || flush_for(fd, ms))
		fprintf(stderr, "shop: cannot write '%s'\n", path);
	else
		t->flush = now_ns() - begin;
	t->flush_blocked = blocked(t->flush, before);
	if (fd >= 0)
		close(fd);
}

/* The sum that stands in for an application's own work: some 100 us. */
static uint32_t compute(const char *text)
{
	uint32_t sum = 2166136261u;
	const char *p;
	int i;

	for (i = 0; i < 5000; i++)
		for (p = text; *p; p++)
			sum = (sum ^ (unsigned char)*p) * 16777619u;
	return sum;
}

static void truth(const struct http_request *r, int item, int status, const struct took *t)
{
	char line[768];
	int len;

	if (shop.truth_fd < 0)
		return;
	len = snprintf(line, sizeof(line),
		       "{\"app\":\"%s\",\"id\":\"%s\",\"item\":%d,\"status\":%d,\"pid\":%d,\"tid\":%d,\"begin_boot_"
		       "ns\":%" PRIu64 ",\"end_boot_ns\":%" PRIu64 ",\"lock_ns\":%" PRIu64 ",\"redis_ns\":%" PRIu64
		       ",\"redis_blocked_ns\":%" PRIu64 ",\"redis_resent\":%u,\"query_ns\":%" PRIu64
		       ",\"next_ns\":%" PRIu64 ",\"flush_ns\":%" PRIu64 ",\"flush_blocked_ns\":%" PRIu64
		       ",\"lock_blocked_ns\":%" PRIu64 ",\"held_ns\":%" PRIu64 ",\"cpu_wait_ns\":%" PRIu64
		       ",\"fault\":\"%s\"}\n",
		       shop.name, r->id, item, status, getpid(), gettid(), t->begin, now_ns(), t->lock, t->redis,
		       t->redis_blocked, t->resent, t->query, t->next, t->flush, t->flush_blocked, t->lock_blocked,
		       t->held, t->cpu_wait, r->fault);
	if (write(shop.truth_fd, line, (size_t)len) != len)
		fprintf(stderr, "shop: cannot write '%s'\n", shop.truth);
}

static void log_line(const struct http_request *r, int item, int status, const struct took *t)
{
	uint64_t us = (now_ns() - t->begin) / 1000;
	char line[256];
	int len = snprintf(line, sizeof(line), "%s: item %d: %d in %" PRIu64 ".%03" PRIu64 " ms%s%s\n", shop.name, item,
			   status, us / 1000, us % 1000, *r->id ? " id=" : "", r->id);

	if (write(STDOUT_FILENO, line, (size_t)len) != len)
		perror("shop: standard output");
}

/* The status, and the answer */
static int item_make(const struct http_request *r, int item, struct took *t, char *body, size_t cap)
{
	char key[32], price[32] = "", name[64] = "", other[512] = "null";
	struct cpu before;
	uint64_t begin;

	step_lock(r, t);
	snprintf(key, sizeof(key), "item:%d", item);
	before = cpu_now();
	begin = now_ns();
	if (stores_redis(&shop.redis, key, r->id, price, sizeof(price), &t->resent))
		return 500;
	t->redis = now_ns() - begin;
	t->redis_blocked = blocked(t->redis, before);
	if (step_query(r, item, t, name, sizeof(name)))
		return 500;
	if (*shop.next.place && item % DEEP == 0) {
		snprintf(key, sizeof(key), "/item/%d", item);
		begin = now_ns();
		if (http_get(&shop.next, key, r->id, "", other, sizeof(other)) != 200)
			return 500;
		t->next = now_ns() - begin;
	}
	step_flush(r, t);
	snprintf(body, cap, "{\"app\":\"%s\",\"item\":%d,\"name\":\"%s\",\"price\":\"%s\",\"sum\":%u,\"next\":%s}",
		 shop.name, item, name, price, compute(name), other);
	return 200;
}

int item_answer(struct wire *w, const struct http_request *r)
{
	const char *at = strstr(r->path, "/item/");
	int item = at ? atoi(at + 6) : 0, status = 404, ret;
	struct cpu before = cpu_now();
	struct took t = { .begin = now_ns() };
	char body[1024] = "{}";

	if (item > 0)
		status = item_make(r, item, &t, body, sizeof(body));
	log_line(r, item, status, &t);
	ret = http_answer(w, status, body);
	t.cpu_wait = cpu_now().wait - before.wait;
	truth(r, item, status, &t);
	return ret;
}
