/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_H
#define SAKER_H
/*
 * saker.h - for programs that want to say more than Saker sees of them: what they are about, as spans of their own, and
 * words and numbers that belong to these.  There is no library to link and nothing to start: each call is a place in the
 * program that `saker record` can hook (USDT, as other tracers can: bpftrace, perf, systemtap).
 *
 *	uint64_t span = saker_begin("price the cart");
 *	saker_text("currency", "EUR");
 *	saker_number("items", 12);
 *	saker_end(span);
 *
 * While nobody records, a call is one load of a counter and a jump that is not taken; arguments that are calls themselves are
 * not to be put there, or behind `if (saker_recorded())`.
 *
 * A span belongs to the request that its thread works for; spans of one thread nest; saker_end() may come from another
 * thread.  saker_text() and saker_number() speak of the innermost span of the calling thread, or of its request if there
 * is none.  Keys and names are cut at 63 bytes, values at 255; what looks like a secret is masked by the recorder.
 *
 * Linux on x86-64; elsewhere the calls do nothing.  C99 and C++.
 */
#include <stdint.h>

#if defined(__linux__) && defined(__x86_64__) && defined(__GNUC__)

#ifdef __cplusplus
extern "C" {
#endif

/* How many tracers listen at each kind of place: the kernel counts it up and down in the memory of the process. */
#define SAKER_COUNTER_(name) \
	__attribute__((weak, visibility("hidden"), section(".probes"))) volatile unsigned short name = 0
SAKER_COUNTER_(saker_begin_listeners_);
SAKER_COUNTER_(saker_end_listeners_);
SAKER_COUNTER_(saker_text_listeners_);
SAKER_COUNTER_(saker_number_listeners_);
__attribute__((weak, visibility("hidden"))) uint64_t saker_spans_ = 0;

/*
 * One place, with its arguments in rdi and rsi, and the note that tells tracers of it: owner "stapsdt", type 3; the places of
 * the instruction, of the section .stapsdt.base and of the counter, then provider, name and arguments as text
 * (sourceware.org/systemtap/wiki/UserSpaceProbeImplementation).
 */
#define SAKER_PLACE_(name, first, second)                                                                 \
	do {                                                                                              \
		uint64_t saker_one_ = (uint64_t)(first), saker_two_ = (uint64_t)(second);                 \
		register uint64_t saker_first_ __asm__("rdi") = saker_one_;                               \
		register uint64_t saker_second_ __asm__("rsi") = saker_two_;                              \
		__asm__ __volatile__("990:	nop\n"                                                    \
				     "	.pushsection .note.stapsdt,\"?\",\"note\"\n"                      \
				     "	.balign 4\n"                                                      \
				     "	.4byte 992f-991f, 994f-993f, 3\n"                                 \
				     "991:	.asciz \"stapsdt\"\n"                                     \
				     "992:	.balign 4\n"                                              \
				     "993:	.8byte 990b, _.stapsdt.base, saker_" name "_listeners_\n"          \
				     "	.asciz \"saker\"\n"                                               \
				     "	.asciz \"" name "\"\n"                                            \
				     "	.asciz \"8@%%rdi 8@%%rsi\"\n"                                     \
				     "994:	.balign 4\n"                                              \
				     "	.popsection\n"                                                    \
				     "	.ifndef _.stapsdt.base\n"                                         \
				     "	.pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
				     "	.weak _.stapsdt.base\n"                                           \
				     "	.hidden _.stapsdt.base\n"                                         \
				     "_.stapsdt.base: .space 1\n"                                         \
				     "	.size _.stapsdt.base, 1\n"                                        \
				     "	.popsection\n"                                                    \
				     "	.endif\n"                                                         \
				     :                                                                    \
				     : "r"(saker_first_), "r"(saker_second_)                              \
				     : "memory");                                                         \
	} while (0)

/* The recorder hooks the other places first: who hears beginnings hears all. */
static inline int saker_recorded(void)
{
	return __builtin_expect(saker_begin_listeners_ != 0, 0);
}

/* A text that the program has never read may not be in memory yet, and a tracer cannot wait for it. */
static inline const char *saker_here_(const char *text)
{
	const volatile char *at = text;
	int i;

	for (i = 0; at && i < 256 && at[i]; i++)
		;
	return text;
}

/* Returns the span's number, for saker_end(); 0: nobody records. */
static inline uint64_t saker_begin(const char *name)
{
	uint64_t span = 0;

	if (saker_recorded()) {
		span = ((uint64_t)(uintptr_t)&saker_spans_ << 24) +
		       (__atomic_add_fetch(&saker_spans_, 1, __ATOMIC_RELAXED) & 0xffffff) + 1;
		SAKER_PLACE_("begin", span, (uintptr_t)saker_here_(name));
	}
	return span;
}

static inline void saker_end(uint64_t span)
{
	if (__builtin_expect(saker_end_listeners_ != 0, 0) && span)
		SAKER_PLACE_("end", span, 0);
}

static inline void saker_text(const char *key, const char *value)
{
	if (__builtin_expect(saker_text_listeners_ != 0, 0))
		SAKER_PLACE_("text", (uintptr_t)saker_here_(key), (uintptr_t)saker_here_(value));
}

static inline void saker_number(const char *key, int64_t value)
{
	if (__builtin_expect(saker_number_listeners_ != 0, 0))
		SAKER_PLACE_("number", (uintptr_t)saker_here_(key), value);
}

#ifdef __cplusplus
}
#endif

#else

static inline int saker_recorded(void)
{
	return 0;
}

static inline uint64_t saker_begin(const char *name)
{
	(void)name;
	return 0;
}

static inline void saker_end(uint64_t span)
{
	(void)span;
}

static inline void saker_text(const char *key, const char *value)
{
	(void)key;
	(void)value;
}

static inline void saker_number(const char *key, int64_t value)
{
	(void)key;
	(void)value;
}

#endif
#endif
