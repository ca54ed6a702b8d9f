/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Later fragments that come before their first one: handed to the daemon, which sends them after it (docs/adr/0024).
 * A flood of them costs the memory of one ring buffer, and while that is full, a look at how full it is.
 */
#pragma once

#include <linux/if_ether.h>

#include "effect.h"
#include "maps.h"

/* An explanation hands nothing over. */
#ifdef EXPLAIN
static __always_inline void keep_early(struct xdp_md *context)
{
	(void)context;
}
#else

/* Not inlined: its registers are not its caller's. */
static __noinline void keep_early(struct xdp_md *context)
{
	__u32 zero = 0;

	if (bpf_ringbuf_query(&early_ring, BPF_RB_AVAIL_DATA) > EARLY_RING_BYTES - sizeof(struct early_fragment))
		return;
	struct early_fragment *room = bpf_map_lookup_elem(&early_room, &zero);
	if (!room)
		return;

	__u32 bytes = bpf_xdp_get_buff_len(context);

	/* Each bound by itself: of a comparison for both at once, kernel 6.1 learns none. */
	KEEP_BOUNDS_CHECK(bytes);
	if (bytes > sizeof(room->frame))
		return;
	KEEP_BOUNDS_CHECK(bytes);
	if (bytes < sizeof(struct ethhdr))
		return;
	KEEP_BOUNDS_CHECK(bytes);
	if (bpf_xdp_load_bytes(context, 0, room->frame, bytes))
		return;
	room->time_ns = bpf_ktime_get_coarse_ns();
	room->ifindex = context->ingress_ifindex;
	bpf_ringbuf_output(&early_ring, room, offsetof(struct early_fragment, frame) + bytes, 0);
}
#endif
