/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Direct routing.
 */
#pragma once

#include "count.h"
#include "guard.h"
#include "pick.h"

/* The bits of a tag that are not the VLAN's id: priority and drop eligibility (IEEE 802.1Q, 9.6). */
#define TAG_PRIORITY 0xf000
#define TAG_BYTES 4

/*
 * Both MACs are the frame's first twelve bytes and the destination's first twelve, so they are copied as one
 * eight-byte and one four-byte word. IP and everything above stay as they came: that is direct routing.
 */
static __always_inline void rewrite_macs(void *start, const struct destination *destination)
{
	*(__u64 *)start = *(const __u64 *)destination;
	*(__u32 *)(start + 8) = *(const __u32 *)((const void *)destination + 8);
}

/* The real server is this host: its MAC, the lower 48 bits of the first word, is zero. */
static __always_inline bool is_local(const struct destination *destination)
{
	return *(const __u64 *)destination << 16 == 0;
}

static __always_inline const struct egress *egress_of(__u32 number, __u32 copy)
{
	const struct egresses *table = bpf_map_lookup_elem(&egresses, &copy);

	KEEP_BOUNDS_CHECK(number);
	return table ? &table->entry[number & geometry.destination_mask] : NULL;
}

static __always_inline bool decrements_ttl(const struct delivery *delivery)
{
	return uses(FEATURE_TTL) && delivery->match->flags & SERVICE_TTL;
}

static __always_inline __u8 ttl_of(const struct packet *packet, const struct delivery *delivery)
{
	return delivery->is_ipv6 ? packet->ip6->hop_limit : packet->ip->ttl;
}

/* What a router does (RFC 1812, 5.3.1), with the checksum brought along (RFC 1624; ip_decrease_ttl in the kernel). */
static __always_inline void decrement_ttl(void *network, bool is_ipv6)
{
	if (is_ipv6) {
		((struct ipv6hdr *)network)->hop_limit--;
	} else {
		struct iphdr *ip = network;
		__u32 check = ip->check + bpf_htons(0x0100);

		ip->check = check + (check >= 0xffff);
		ip->ttl--;
	}
}

/*
 * Gives the frame as many tags as its way out has, moving its beginning, and the MACs. The priority is kept. False, and
 * the frame untouched, when there is no room.
 */
static __always_inline bool rewrite_frame(struct xdp_md *context, const struct frame *frame,
					  const struct destination *destination, const struct delivery *delivery)
{
	void *start = (void *)(long)context->data;
	__be16 vlan = delivery->egress->vlan, outer = delivery->egress->outer_vlan, priority = 0;
	__u32 tags = !!vlan + !!outer;

	if (frame->tags) {
		/* The tag control information is the two bytes after the first EtherType. */
		const __be16 *tag = start + sizeof(struct ethhdr);

		if ((void *)(tag + 1) > (void *)(long)context->data_end)
			return false;
		priority = *tag & bpf_htons(TAG_PRIORITY);
	}
	if (tags != frame->tags && bpf_xdp_adjust_head(context, ((int)frame->tags - (int)tags) * TAG_BYTES))
		return false;

	start = (void *)(long)context->data;
	/* No frame with an IP header is shorter; what matters is that the verifier sees it checked. */
	if (start + sizeof(struct ethhdr) + sizeof(struct iphdr) > (void *)(long)context->data_end)
		return true;
	__be16 *words = start + offsetof(struct ethhdr, h_proto);
	if (outer) {
		*words++ = bpf_htons(ETH_P_8021AD);
		*words++ = priority | outer;
	}
	if (vlan) {
		*words++ = bpf_htons(ETH_P_8021Q);
		*words++ = priority | vlan;
	}
	*words++ = delivery->is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	rewrite_macs(start, destination);
	if (decrements_ttl(delivery))
		decrement_ttl(words, delivery->is_ipv6);
	return true;
}

/* Sends by the tables that only VLANs and several interfaces need. */
static __always_inline enum verdict send_by_egress(struct xdp_md *context, const struct frame *frame,
						   const struct packet *packet, const struct destination *destination,
						   const struct delivery *delivery)
{
	bool opens = delivery->opens;
	__u32 ip_bytes = ip_bytes_of(packet, delivery);

	/* What the program returns is what redirects: this finds out whether it can be done. */
	if (delivery->redirects && bpf_redirect_map(&devices, delivery->egress->ifindex, XDP_PASS) != XDP_REDIRECT)
		return count_verdict(delivery->match->number, VERDICT_NO_EGRESS);
	if (!rewrite_frame(context, frame, destination, delivery))
		return count_verdict(delivery->match->number, VERDICT_NO_EGRESS);
	count_packet(destination->number, opens, ip_bytes);
	return delivery->redirects ? VERDICT_REDIRECTED : VERDICT_FORWARDED;
}

/* Whether the frame leaves by another interface, or with other tags than it came. */
static __always_inline bool changes_egress(const struct frame *frame, const struct delivery *delivery)
{
	return (uses(FEATURE_NICS) && delivery->redirects) ||
	       (uses(FEATURE_VLAN) && (frame->tags || delivery->egress->vlan || delivery->egress->outer_vlan));
}

/* Features without which a frame goes back, untagged, where it came from, and is otherwise left alone. */
#define FEATURES_OF_WHOLE_PATH (FEATURE_VLAN | FEATURE_NICS | FEATURE_TTL | FEATURE_DIRECTORS)

/*
 * Schedules a packet of a service. A frame that a switch flooded to everybody, or a NIC in promiscuous mode saw, is
 * not ours to forward: the host it is addressed to does that, and the real server would get it twice.
 *
 * `lean`, a constant, leaves out all that FEATURES_OF_WHOLE_PATH are for: 3 ns, in registers that need not be saved.
 */
static __always_inline enum verdict send(struct xdp_md *context, const struct frame *frame, const struct packet *packet,
					 struct delivery *delivery, __u32 copy, bool lean)
{
	/* Looked up before anything is computed: what lives across a lookup must be saved. */
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);
	if (!table)
		return VERDICT_NOT_OURS;
	const struct destination *destination = NULL;
	__u8 flags = delivery->match->flags;
	__u32 number = 0;
	bool follows;

	NOTE_BY(fill_words(trace.words, packet, delivery));
	NOTE(service, delivery->match->number);
	NOTE(client_port, packet->ports->source);
	NOTE(port, packet->ports->destination);
	NOTE(protocol, packet->protocol);
	NOTE(tags, frame->tags);
	if (uses(FEATURE_FLOWS) && flags & SERVICE_TRACK) {
		destination = destination_numbered(table, hit(packet, delivery));
		number = destination->number;
		follows = number == 0;
		NOTE_STEP(number ? TRACE_HIT : 0);
	} else {
		__u32 slot = slot_of(packet, delivery);

		follows = uses(FEATURE_FLOWS) && flags & (SERVICE_POLICY | SERVICE_MOVED) &&
			  (flags & SERVICE_POLICY || is_moved(table, delivery->match, slot));
		if (likely(!follows)) {
			NOTE(slot, slot);
			NOTE_STEP(TRACE_RING);
			destination = destination_at(table, pick(table, delivery->match, slot));
			number = destination->number;
			delivery->opens = opens_flow(packet);
			if (unlikely(number == 0))
				return count_verdict(delivery->match->number,
						     flags & SERVICE_DROP ? VERDICT_DROPPED : VERDICT_NO_DESTINATION);
		}
	}
	if (uses(FEATURE_FLOWS) && unlikely(follows)) {
		enum verdict verdict = VERDICT_FORWARDED;

		if (!is_addressed_here(context, frame, table, copy, lean))
			return count_verdict(delivery->match->number, VERDICT_OTHER_HOST);
		if (!lean && uses(FEATURE_DIRECTORS) && unlikely(is_from_director(frame, table)))
			return count_verdict(delivery->match->number, VERDICT_FROM_DIRECTOR);
		number = follow(frame, packet, delivery, copy, &verdict);
		if (unlikely(number == 0))
			return count_verdict(delivery->match->number, verdict);
		destination = destination_numbered(table, number);
	}
	NOTE(number, number);
	if (!lean && (uses(FEATURE_VLAN) || uses(FEATURE_NICS))) {
		delivery->egress = egress_of(number, copy);
		if (!delivery->egress)
			return VERDICT_NOT_OURS;
	}
	/* Mostly packets go back by the interface they came by, whose MAC stands with the destination. */
	if (!lean && uses(FEATURE_NICS) && unlikely(delivery->egress->ifindex != context->ingress_ifindex)) {
		const struct nic *nic = nic_of(context->ingress_ifindex, copy);
		if (!nic || !addressed_to(frame, nic->mac))
			return count_verdict(delivery->match->number, VERDICT_OTHER_HOST);
		delivery->redirects = nic->group != delivery->egress->group;
	} else if (unlikely(!addressed_to_egress(frame, destination))) {
		return count_verdict(delivery->match->number, VERDICT_OTHER_HOST);
	}
	if (!lean && uses(FEATURE_DIRECTORS) && unlikely(is_from_director(frame, table)))
		return count_verdict(delivery->match->number, VERDICT_FROM_DIRECTOR);
	if (unlikely(is_local(destination))) {
		count_packet(number, delivery->opens, ip_bytes_of(packet, delivery));
		return VERDICT_LOCAL;
	}

	if (unlikely(ip_bytes_of(packet, delivery) > table->mtu) &&
	    (lean || !delivery->egress || ip_bytes_of(packet, delivery) > delivery->egress->mtu))
		return count_verdict(delivery->match->number, VERDICT_TOO_LONG);
	if (!lean && decrements_ttl(delivery) && unlikely(ttl_of(packet, delivery) <= 1))
		return count_verdict(delivery->match->number, VERDICT_TTL);
	if (!lean && delivery->egress && changes_egress(frame, delivery))
		return send_by_egress(context, frame, packet, destination, delivery);

	count_packet(number, delivery->opens, ip_bytes_of(packet, delivery));
	if (!lean && decrements_ttl(delivery))
		decrement_ttl((void *)packet->ip, delivery->is_ipv6);
	rewrite_macs(frame->start, destination);
	return VERDICT_FORWARDED;
}

static __always_inline enum verdict send_ipv4(struct xdp_md *context, const struct frame *frame,
					      const struct packet *packet, const struct match *match, __u32 copy,
					      bool lean)
{
	struct delivery delivery = {
		.match = match,
	};

	return send(context, frame, packet, &delivery, copy, lean);
}

static __always_inline enum verdict send_ipv6(struct xdp_md *context, const struct frame *frame,
					      const struct packet *packet, const struct match *match, __u32 copy,
					      bool lean)
{
	struct delivery delivery = {
		.match = match,
		.is_ipv6 = true,
	};

	return send(context, frame, packet, &delivery, copy, lean);
}
