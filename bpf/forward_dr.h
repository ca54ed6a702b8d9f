/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Direct routing, in three steps: pick the destination, check that the packet may leave, rewrite the frame and send it.
 * A check that stops the packet comes before the frame is touched, so that it goes up as it came.
 */
#pragma once

#include <linux/if_ether.h>

#include "answer.h"
#include "count.h"
#include "fragment.h"
#include "guard.h"
#include "pick.h"

/* The bits of a tag that are not the VLAN's id: priority and drop eligibility (IEEE 802.1Q, 9.6). */
#define TAG_PRIORITY 0xf000

/*
 * The features that only the whole path has (docs/adr/0008). Without them a frame goes back, untagged, by the interface
 * it came by, and only its MACs change.
 */
#define WHOLE_PATH_FEATURES (FEATURE_VLAN | FEATURE_NICS | FEATURE_TTL | FEATURE_DIRECTORS)

/*
 * Both MACs are the frame's first twelve bytes and the destination's first twelve, so they are copied as one
 * eight-byte and one four-byte word. IP and everything above stay as they came: that is direct routing.
 */
static __always_inline void rewrite_macs(void *start, const struct destination *destination)
{
	*(__u64 *)start = *(const __u64 *)destination;
	*(__u32 *)(start + 8) = *(const __u32 *)((const void *)destination + 8);
}

/* Whether the real server is this host. */
static __always_inline bool is_local(const struct destination *destination)
{
	return shifted_mac(destination) == (__u64)NO_MAC_LOCAL << 16;
}

/* Whether nothing is sent: the real server is this host, or held. One comparison, as for the first alone. */
static __always_inline bool is_not_sent(const struct destination *destination)
{
	return shifted_mac(destination) <= (__u64)NO_MAC_HELD << 16;
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

/* Decrements TTL or hop limit as a router does (RFC 1812, 5.3.1); the checksum follows RFC 1624, as in
 * ip_decrease_ttl(). */
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
 * Gives the frame the egress's tags, which moves its beginning, and the MACs. Keeps the priority. False, and the frame
 * untouched, when there is no room.
 */
static __always_inline bool rewrite_frame(struct xdp_md *context, const struct frame *frame,
					  const struct delivery *delivery)
{
	void *start = (void *)(long)context->data;
	__be16 vlan = uses(FEATURE_VLAN) ? delivery->egress->vlan : 0, priority = 0;
	__be16 outer = uses(FEATURE_VLAN) ? delivery->egress->outer_vlan : 0;
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
	rewrite_macs(start, delivery->destination);
	if (decrements_ttl(delivery))
		decrement_ttl(words, delivery->is_ipv6);
	return true;
}

/* Whether the frame leaves by another interface, or with other tags than it came. */
static __always_inline bool changes_egress(const struct frame *frame, const struct delivery *delivery)
{
	return frame->tags || (uses(FEATURE_NICS) && delivery->redirects) ||
	       (uses(FEATURE_VLAN) && (delivery->egress->vlan || delivery->egress->outer_vlan));
}

/* Sends by another interface or with other tags. False when it cannot. Only VLANs and several interfaces need it. */
static __always_inline bool send_by_egress(struct xdp_md *context, const struct frame *frame,
					   const struct packet *packet, const struct delivery *delivery,
					   enum verdict *verdict)
{
	bool opens = delivery->opens;
	__u32 ip_bytes = ip_bytes_of(packet, delivery);

	/* The program's return value is what redirects: this call finds out whether that can be done. */
	if ((uses(FEATURE_NICS) && delivery->redirects &&
	     bpf_redirect_map(&devices, delivery->egress->ifindex, XDP_PASS) != XDP_REDIRECT) ||
	    !rewrite_frame(context, frame, delivery))
		return stop(VERDICT_NO_EGRESS, verdict);
	count_packet(delivery->destination->number, opens, ip_bytes);
	*verdict = delivery->redirects ? VERDICT_REDIRECTED : VERDICT_FORWARDED;
	return true;
}

/* Returns the longest packet that may leave for the destination. */
static __always_inline __u32 mtu_of(const struct delivery *delivery, bool lean)
{
	return lean || !delivery->egress ? delivery->table->mtu : delivery->egress->mtu;
}

/* Checks that a packet may leave for its destination. False when it may not: it then has its verdict. */
static __always_inline bool may_leave(struct xdp_md *context, const struct frame *frame, const struct packet *packet,
				      struct delivery *delivery, bool lean, enum verdict *verdict)
{
	if (!passes_guard(context, frame, delivery, true, lean, verdict))
		return false;
	if (unlikely(is_not_sent(delivery->destination)))
		return is_local(delivery->destination) || stop(VERDICT_UNRESOLVED, verdict);
	if (unlikely(is_from_destination(frame, delivery->destination)))
		return stop(VERDICT_FROM_REAL_SERVER, verdict);
	if (unlikely(ip_bytes_of(packet, delivery) > delivery->table->mtu) &&
	    ip_bytes_of(packet, delivery) > mtu_of(delivery, lean))
		return stop(VERDICT_TOO_LONG, verdict);
	if (!lean && decrements_ttl(delivery) && unlikely(ttl_of(packet, delivery) <= 1))
		return stop(VERDICT_TTL, verdict);
	return true;
}

/*
 * Counts the packet, rewrites the frame, and sends it; or delivers it, when the real server is this host. False when it
 * cannot be sent.
 */
static __always_inline bool rewrite_and_send(struct xdp_md *context, const struct frame *frame,
					     const struct packet *packet, const struct delivery *delivery, bool lean,
					     enum verdict *verdict)
{
	if (unlikely(is_local(delivery->destination))) {
		count_packet(delivery->number, delivery->opens, ip_bytes_of(packet, delivery));
		*verdict = VERDICT_LOCAL;
		return true;
	}
	if (!lean && changes_egress(frame, delivery))
		return send_by_egress(context, frame, packet, delivery, verdict);
	count_packet(delivery->number, delivery->opens, ip_bytes_of(packet, delivery));
	if (!lean && decrements_ttl(delivery))
		decrement_ttl((void *)packet->ip, delivery->is_ipv6);
	rewrite_macs(frame->start, delivery->destination);
	*verdict = VERDICT_FORWARDED;
	return true;
}

/*
 * Ends a packet that does not leave: answers it where that is due, and counts it. Returns its verdict. Global, and so
 * verified once and not for every way to get here; `mtu` and `unanswerable` are answer()'s.
 */
__noinline int end(struct xdp_md *context, __u32 reason, __u32 mtu, __u32 unanswerable, __u32 service)
{
	if (is_answered(reason))
		reason = answer(context, reason, mtu, unanswerable);
	/* Nobody asks for the counters of a ghost. */
	return count_verdict(is_of_ghost(reason) ? NO_SERVICE : service, reason);
}

/* For explain: which service the packet is for, and which flow it belongs to. */
static __always_inline void note_match(const struct frame *frame, const struct packet *packet,
				       const struct delivery *delivery)
{
	NOTE_BY(fill_flow_key(trace.words, packet, delivery));
	NOTE(service, delivery->match->number);
	NOTE(client_port, packet->ports->source);
	NOTE(port, packet->ports->destination);
	NOTE(protocol, packet->protocol);
	NOTE(tags, frame->tags);
}

/*
 * Whether the later fragments of this packet could go elsewhere: its flow gets no entry, and its slot may not tell the
 * destination. Or they do not tell their flow, as those of an ICMP error that leaves.
 */
static __always_inline bool leads_fragments(const struct payload *payload, const struct match *match, bool leaves,
					    bool is_ipv6)
{
	return payload && payload->first_fragment &&
	       ((uses(FEATURE_FLOWS) && match->flags & SERVICE_POLICY) || (leaves && is_icmp(payload, is_ipv6)));
}

/*
 * Whether no ICMP error is sent about a packet: it is ICMP, here an error, or a later fragment (RFC 1122, 3.2.2). A
 * plain packet has no payload here.
 */
static __always_inline bool is_unanswerable(const struct payload *payload, bool is_ipv6)
{
	return payload && (payload->not_first || is_icmp(payload, is_ipv6));
}

/*
 * Schedules a packet of a service, and sends it where it may go. `payload`: of an unusual packet, else NULL. `is_ipv6`
 * and `lean` are constants: the lean path has nothing that only WHOLE_PATH_FEATURES need, which saves 3 ns, in
 * registers that need not be saved.
 */
static __always_inline enum verdict forward_dr(struct xdp_md *context, const struct frame *frame,
					       const struct packet *packet, const struct payload *payload,
					       const struct match *match, __u32 copy, bool is_ipv6, bool lean)
{
	struct delivery delivery = {
		/* Looked up before anything is computed: values that live across a lookup must be saved. */
		.table = bpf_map_lookup_elem(&destinations, &copy),
		.match = match,
		.copy = &copy,
		.is_ipv6 = is_ipv6,
	};
	enum verdict verdict = VERDICT_NOT_OURS;
	if (!delivery.table)
		return verdict;

	note_match(frame, packet, &delivery);
	if (!pick(context, frame, packet, &delivery, lean, !payload, &verdict)) {
		if (verdict == NOT_PLAIN)
			return verdict;
		return end(context, verdict, 0, is_unanswerable(payload, is_ipv6), delivery.match->number);
	}
	NOTE(number, delivery.number);
	if (!lean && (uses(FEATURE_VLAN) || uses(FEATURE_NICS))) {
		delivery.egress = egress_of(delivery.number, copy);
		if (!delivery.egress)
			return verdict;
	}
	bool leaves = may_leave(context, frame, packet, &delivery, lean, &verdict);
	if (leads_fragments(payload, delivery.match, leaves, is_ipv6))
		store_fragment(packet, payload, delivery.number, is_ipv6);
	if (leaves && rewrite_and_send(context, frame, packet, &delivery, lean, &verdict))
		return verdict;
	return end(context, verdict, verdict == VERDICT_TOO_LONG ? mtu_of(&delivery, lean) : 0,
		   is_unanswerable(payload, is_ipv6), delivery.match->number);
}
