/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * All that a packet leaves behind, other than in its frame: no other file writes into a map.
 *
 * explain.bpf.c is this very data path compiled a second time, under EXPLAIN: there nothing is written, and what would
 * have been is noted instead (explain.h). Here a note is nothing at all, not even an instruction.
 */
#pragma once

#include <stdbool.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#ifdef EXPLAIN
#include "explain.h"
#else

/* A word that no other CPU counts in. */
#define COUNT(word, amount) ((word) += (amount))

/* A word that all CPUs count in: gives what it was before. */
#define FETCH_AND_ADD(word, amount) __sync_fetch_and_add(&(word), amount)

/* Any other word. */
#define SET(word, value) ((word) = (value))

/* The data of a flow's entry, unless another CPU changed it. */
static __always_inline bool exchange(volatile __u64 *data, __u64 before, __u64 after)
{
	return __sync_val_compare_and_swap((__u64 *)data, before, after) == before;
}

/* For who explains: a figure of the way that this packet goes; that it took a step; something to do for it. */
#define NOTE(figure, value) ((void)0)
#define NOTE_STEP(step) ((void)0)
#define NOTE_BY(statement) ((void)0)

#endif
