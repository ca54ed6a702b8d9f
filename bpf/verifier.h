/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Makes clang keep what the verifier needs to see, and the verifier forget what would cost it too much to know.
 */
#pragma once

#include <linux/types.h>

/* Keeps clang from dropping a bounds check that the verifier wants to see. */
#define KEEP_BOUNDS_CHECK(index) asm volatile("" : "+r"(index))

/*
 * Zero, but not for the verifier, when `any` is from a map. Kernel 6.1 checks what bpf_loop() calls as if it were
 * called once: of a branch on what one call leaves to the next it would remove the side that the first call does not
 * take.
 */
static __always_inline __u64 unknown_zero(__u64 any)
{
	asm volatile("%0 -= %0" : "+r"(any));
	return any;
}

/*
 * The same number, but one of which the verifier knows no bounds. With some, what is kept of one round of a loop and of
 * another are two states to it, and kernel 6.1 took a third of all instructions it allows for each to follow both.
 */
static __always_inline __u64 of_any_size(__u64 number)
{
	asm volatile("%0 = -%0; %0 = -%0" : "+r"(number));
	return number;
}
