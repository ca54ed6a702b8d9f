/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Everything that a packet changes outside its frame: no other file writes into a map.
 *
 * explain.bpf.c is the same data path compiled a second time, under EXPLAIN: there nothing is written, and what would
 * have been written is noted instead (explain.h). Here a note is nothing at all, not even an instruction.
 */
#pragma once

#include <stdbool.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#ifdef EXPLAIN
#include "explain.h"
#else

/* Counts in a word of this CPU. */
#define COUNT(word, amount) ((word) += (amount))

/* Counts in a word of all CPUs, and returns its value before. */
#define FETCH_AND_ADD(word, amount) __sync_fetch_and_add(&(word), amount)

/* Writes any other word. */
#define SET(word, value) ((word) = (value))

/* Replaces the data of a flow's entry, unless another CPU changed it. */
static __always_inline bool exchange(volatile __u64 *data, __u64 before, __u64 after)
{
	return __sync_val_compare_and_swap((__u64 *)data, before, after) == before;
}

/* Whether the rate of answers is limited. */
#define LIMITS_ANSWERS true

/* Whether what was changed reads as before. */
#define EXPLAINS false

/* For explain: notes a figure of the packet's path, or a step that it took, or runs a statement. */
#define NOTE(figure, value) ((void)0)
#define NOTE_STEP(step) ((void)0)
#define NOTE_BY(statement) ((void)0)

#endif
