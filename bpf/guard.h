/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The frames that are never forwarded: those for another host, and those that another director sent here.
 */
#pragma once

#include "delivery.h"
#include "maps.h"
#include "parse.h"

/* Whether a frame's destination MAC, its first six bytes, is this one. */
static __always_inline bool addressed_to(const struct frame *frame, const __u8 mac[6])
{
	const __u16 *theirs = frame->start;
	const __u16 *ours = (const __u16 *)mac;

	return ((theirs[0] ^ ours[0]) | (theirs[1] ^ ours[1]) | (theirs[2] ^ ours[2])) == 0;
}

/*
 * The same for the MAC that the destination's frames leave with, in half as many instructions: it is the upper 48 bits
 * of the word that begins two bytes before it, the frame's destination the lower 48 of its first word.
 */
static __always_inline bool addressed_to_egress(const struct frame *frame, const struct destination *destination)
{
	__u64 ours = *(const __u64 *)((const void *)destination + offsetof(struct destination, source_mac) - 2);

	return ((*(const __u64 *)frame->start << 16) ^ ours) >> 16 == 0;
}

/* Whether another director sent the frame: this host is then one of its real servers. */
static __always_inline bool is_from_director(const struct frame *frame, const struct destinations *table)
{
	/* Bytes 6 to 13: the source MAC, and two more that the shift drops. */
	__u64 source = *(const __u64 *)(frame->start + ETH_ALEN) << 16 >> 16;

#pragma unroll
	for (__u32 i = 0; i < MAX_DIRECTORS; i++) {
		if (!table->directors[i])
			return false;
		if (table->directors[i] == source)
			return true;
	}
	return false;
}

/* The interface that the frame came by; NULL when it is not among the director's. */
static __always_inline const struct nic *nic_of(__u32 ifindex, __u32 copy)
{
	const struct nics *table = bpf_map_lookup_elem(&nics, &copy);
	if (!table)
		return NULL;

	__u32 index = ifindex * table->multiplier >> (32 - NIC_BITS);
	KEEP_BOUNDS_CHECK(index);
	const struct nic *nic = &table->entry[index & ((1 << NIC_BITS) - 1)];
	return nic->ifindex == ifindex ? nic : NULL;
}

/* Whether a frame is addressed to the interface that it came by, asked before anything is remembered of it. */
static __always_inline bool is_addressed_here(const struct xdp_md *context, const struct frame *frame,
					      const struct destinations *table, __u32 copy, bool lean)
{
	if (!lean && uses(FEATURE_NICS)) {
		const struct nic *nic = nic_of(context->ingress_ifindex, copy);

		return nic && addressed_to(frame, nic->mac);
	}
	return (*(const __u64 *)frame->start ^ table->own_mac) << 16 == 0;
}
