/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Hints: they make clang keep what the verifier needs to see, and the verifier forget what costs it too much to know.
 */
#pragma once

#include <linux/types.h>

/* Keeps clang from dropping a bounds check that the verifier needs to see. */
#define KEEP_BOUNDS_CHECK(index) asm volatile("" : "+r"(index))

/* Keeps clang from computing a pointer a second time, which delays what is read there by several cycles. */
#define KEEP_POINTER(pointer) asm volatile("" : "+r"(pointer))

/*
 * Returns zero, but not for the verifier, when `any` comes from a map. Kernel 6.1 checks a function that bpf_loop()
 * calls as if it were called once: where the function branches on a value that the call before left, 6.1 would remove
 * the side that the first call does not take.
 */
static __always_inline __u64 unknown_zero(__u64 any)
{
	asm volatile("%0 -= %0" : "+r"(any));
	return any;
}

/*
 * Returns the same number without the bounds that the verifier knows. With bounds, the values of one round of a loop
 * and of another are two states to it, and to follow both kernel 6.1 took a third of all the instructions it allows.
 */
static __always_inline __u64 of_any_size(__u64 number)
{
	asm volatile("%0 = -%0; %0 = -%0" : "+r"(number));
	return number;
}
