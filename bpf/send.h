/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The end of the path: rewrite the frame's MACs for the picked destination, and count.
 */
#pragma once

#include <linux/if_ether.h>

#include "count.h"
#include "pick.h"

/*
 * Both MACs are the frame's first twelve bytes and the destination's first twelve, so they are copied as one
 * eight-byte and one four-byte word. IP and everything above stay as they came: that is direct routing.
 */
static __always_inline void rewrite_macs(const struct frame *frame, const struct destination *destination)
{
	*(__u64 *)frame->start = *(const __u64 *)destination;
	*(__u32 *)(frame->start + 8) = *(const __u32 *)((const void *)destination + 8);
}

/* The frame's destination MAC is the one that frames to the service leave from, that is, this host's. */
static __always_inline bool addressed_to_us(const struct frame *frame, const struct destination *destination)
{
	const __u16 *theirs = frame->start;
	const __u16 *ours = (const __u16 *)destination->source_mac;

	return ((theirs[0] ^ ours[0]) | (theirs[1] ^ ours[1]) | (theirs[2] ^ ours[2])) == 0;
}

/* The real server is this host: its MAC, the lower 48 bits of the first word, is zero. */
static __always_inline bool is_local(const struct destination *destination)
{
	return *(const __u64 *)destination << 16 == 0;
}

/*
 * Schedules a packet of a service. A frame that a switch flooded to everybody, or a NIC in promiscuous mode saw, is
 * not ours to forward: the host it is addressed to does that, and the real server would get it twice.
 */
static __always_inline enum verdict send(const struct frame *frame, const struct packet *packet, __u32 ip_bytes,
					 const struct match *match, __u64 hash, __u32 copy)
{
	__u32 index = pick(match, hash, copy);
	KEEP_BOUNDS_CHECK(index);

	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);
	if (!table)
		return VERDICT_NOT_OURS;
	const struct destination *destination = &table->entry[index & geometry.destination_mask];

	__u32 number = destination->number;
	if (unlikely(number == 0))
		return count_verdict(match->number, VERDICT_NO_DESTINATION);
	if (unlikely(!addressed_to_us(frame, destination)))
		return count_verdict(match->number, VERDICT_OTHER_HOST);

	count_packet(number, packet, ip_bytes);
	if (unlikely(is_local(destination)))
		return VERDICT_LOCAL;
	rewrite_macs(frame, destination);
	return VERDICT_FORWARDED;
}

static __always_inline enum verdict send_ipv4(const struct frame *frame, const struct packet *packet,
					      const struct match *match, __u32 copy)
{
	return send(frame, packet, bpf_ntohs(packet->ip->tot_len), match, hash_flow_ipv4(packet), copy);
}

static __always_inline enum verdict send_ipv6(const struct frame *frame, const struct packet *packet,
					      const struct match *match, __u32 copy)
{
	__u32 ip_bytes = sizeof(struct ipv6hdr) + bpf_ntohs(packet->ip6->payload_len);

	return send(frame, packet, ip_bytes, match, hash_flow_ipv6(packet), copy);
}
