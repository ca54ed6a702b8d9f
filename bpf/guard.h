/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The frames that are never forwarded: frames to another host, to a virtual router whose master is another director,
 * of another VLAN, and those that another director sent here.
 *
 * A switch floods frames to other hosts, and a NIC in promiscuous mode sees them. The host that such a frame is
 * addressed to forwards it; forwarded here too, it would reach the real server twice.
 */
#pragma once

#include "count.h"
#include "delivery.h"
#include "maps.h"
#include "parse.h"
#include "walk.h"

/* Whether a frame's destination MAC, its first six bytes, is this one. */
static __always_inline bool addressed_to(const struct frame *frame, const __u8 mac[6])
{
	const __u16 *theirs = frame->start;
	const __u16 *ours = (const __u16 *)mac;

	return ((theirs[0] ^ ours[0]) | (theirs[1] ^ ours[1]) | (theirs[2] ^ ours[2])) == 0;
}

/*
 * The same for the MAC that the destination's frames leave with, in half as many instructions: it is the upper 48 bits
 * of the word that begins two bytes before it, and the frame's destination is the lower 48 bits of its first word.
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

/*
 * Whether the frame came from the destination that it would go to: that one is a director too and sent it here as to a
 * real server, or has no VIP. Sent back, it could go to and fro forever.
 */
static __always_inline bool is_from_destination(const struct frame *frame, const struct destination *destination)
{
	/* Bytes 6 to 13 and 0 to 7: a MAC each, and two more bytes that the shift drops. */
	return (*(const __u64 *)(frame->start + ETH_ALEN) ^ *(const __u64 *)destination) << 16 == 0;
}

/* Returns the interface with this index; NULL when it is not among the director's. */
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

/* Whether a packet is the host's own, whose source is one of the host's addresses. */
static __always_inline bool is_from_host(const struct xdp_md *context, __u32 copy)
{
	const struct nic *nic = uses(FEATURE_NICS) ? nic_of(context->ingress_ifindex, copy) : NULL;

	return nic && nic->from_host;
}

/* Whose a frame is that is not addressed to an interface. */
enum addressee {
	ADDRESSEE_OTHER_HOST,
	ADDRESSEE_ABOVE,   /* a device above the interface: the director's */
	ADDRESSEE_STANDBY, /* a virtual router of which this director is a standby */
};

/*
 * Whether a frame is addressed to a device above the interface that it came by: an enum addressee. Global, and so
 * verified once; most packets never get here.
 */
__noinline int addressee_above(struct xdp_md *context, __u32 copy)
{
	const struct nics *table = bpf_map_lookup_elem(&nics, &copy);
	const void *data = (void *)(long)context->data;

	if (!table || data + sizeof(struct ethhdr) > (void *)(long)context->data_end)
		return ADDRESSEE_OTHER_HOST;
	__u64 mac = *(const __u64 *)data << 16 >> 16;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < MAX_MACS_ABOVE && table->above[i].mac; i++) {
		if (table->above[i].mac == mac && table->above[i].ifindex == context->ingress_ifindex)
			return table->above[i].standby ? ADDRESSEE_STANDBY : ADDRESSEE_ABOVE;
	}
	return ADDRESSEE_OTHER_HOST;
}

/* Whether a VLAN is the director's. Searches a list in order, in halves: one VLAN costs one read. */
static __always_inline bool is_own_vlan(__u32 vlan, __u32 copy)
{
	const struct nics *table = bpf_map_lookup_elem(&nics, &copy);
	__u32 index = 0;

	if (!table)
		return false;
	if (vlan == 0 || table->every_vlan)
		return true;
	__u32 step = table->vlan_step;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < VLAN_STEPS && step; i++, step >>= 1) {
		__u32 next = table->vlans[(index + step) & (MAX_VLANS - 1)];

		if (next <= vlan)
			index += step;
		/* For the verifier, a place that it does not know: else each path here is another one. */
		index = (index + unknown_zero(next)) & (MAX_VLANS - 1);
	}
	return table->vlans[index] == vlan;
}

static __always_inline bool is_for_vip(const struct frame *frame, __u32 copy, bool is_ipv6)
{
	const struct packet packet = {
		.ip = at(frame, sizeof(struct ethhdr) + frame->tags * TAG_BYTES,
			 is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)),
	};
	const void *services = services_of(copy, is_ipv6);

	return services && packet.ip && match_vip(services, &packet, is_ipv6);
}

/*
 * Ends a frame with tags in a VLAN that is none of the director's, which are those that a real server is in, or for
 * which this host has a device. Returns its verdict. Global, and so verified by itself; the director's own frames are
 * spared the call.
 */
__noinline int end_in_other_vlan(struct xdp_md *context)
{
	struct frame frame = {
		.start = (void *)(long)context->data,
		.end = (void *)(long)context->data_end,
	};
	__u32 copy = active_copy();

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return VERDICT_NOT_OURS;
	switch (skip_tags(&frame)) {
	case bpf_htons(ETH_P_IP):
		if (!uses(FEATURE_IPV4) || !is_for_vip(&frame, copy, false))
			return VERDICT_NOT_OURS;
		break;
	case bpf_htons(ETH_P_IPV6):
		if (!uses(FEATURE_IPV6) || !is_for_vip(&frame, copy, true))
			return VERDICT_NOT_OURS;
		break;
	default:
		return VERDICT_NOT_OURS;
	}
	return count_verdict(NO_SERVICE, VERDICT_OTHER_VLAN);
}

/* Whether a frame is addressed to the interface that it came by. Finds out whether it is the host's own. */
static __always_inline bool is_addressed_here(const struct xdp_md *context, const struct frame *frame,
					      struct delivery *delivery, bool lean)
{
	if (!lean && uses(FEATURE_NICS)) {
		const struct nic *nic = nic_of(context->ingress_ifindex, *delivery->copy);

		delivery->from_host = nic && nic->from_host;
		return nic && addressed_to(frame, nic->mac);
	}
	return (*(const __u64 *)frame->start ^ delivery->table->own_mac) << 16 == 0;
}

/*
 * The same once a destination is picked, whose frames mostly leave by the interface that this one came by, with its
 * MAC. Where they leave by another interface, finds out whether the packet is redirected.
 */
static __always_inline bool is_addressed_to_egress(const struct xdp_md *context, const struct frame *frame,
						   struct delivery *delivery, bool lean)
{
	if (lean || !uses(FEATURE_NICS) || likely(delivery->egress->ifindex == context->ingress_ifindex))
		return addressed_to_egress(frame, delivery->destination);
	const struct nic *nic = nic_of(context->ingress_ifindex, *delivery->copy);

	if (!nic || !addressed_to(frame, nic->mac))
		return false;
	delivery->redirects = nic->group != delivery->egress->group;
	return true;
}

/* Says why a packet does not leave. It is counted and answered at one place, the end of forward_dr(). */
static __always_inline bool stop(enum verdict reason, enum verdict *verdict)
{
	*verdict = reason;
	return false;
}

/*
 * The same as the two above for a frame that is not addressed to an interface: whether it is to a device above this
 * one. When not, it has its verdict. What comes to a virtual router's MAC is dropped until the daemon has seen that
 * this director is the master: the host, which has the VIP by then, would refuse it.
 */
static __always_inline bool is_ours_above(struct xdp_md *context, struct delivery *delivery, bool picked, bool lean,
					  enum verdict *verdict)
{
	enum addressee addressee = addressee_above(context, *delivery->copy);

	if (addressee != ADDRESSEE_ABOVE)
		return stop(addressee == ADDRESSEE_STANDBY ? VERDICT_NOT_MASTER : VERDICT_OTHER_HOST, verdict);
	if (picked && !lean && uses(FEATURE_NICS)) {
		const struct nic *nic = nic_of(context->ingress_ifindex, *delivery->copy);

		delivery->redirects = nic && nic->group != delivery->egress->group;
	}
	return true;
}

/*
 * Whether the director forwards a frame; when not, it has its verdict. `picked`, a constant: a destination is known.
 * Where a flow is followed, the answer is needed before, so that nothing is remembered of other hosts' frames.
 */
static __always_inline bool passes_guard(struct xdp_md *context, const struct frame *frame, struct delivery *delivery,
					 bool picked, bool lean, enum verdict *verdict)
{
	bool is_ours = picked ? is_addressed_to_egress(context, frame, delivery, lean)
			      : is_addressed_here(context, frame, delivery, lean);

	if (unlikely(!is_ours) && !is_ours_above(context, delivery, picked, lean, verdict))
		return false;
	if (!lean && uses(FEATURE_DIRECTORS) && unlikely(is_from_director(frame, delivery->table)))
		return stop(VERDICT_FROM_DIRECTOR, verdict);
	return true;
}
