/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The end of the path: whether the packet may go to the destination that was picked for it, by which way, and off it
 * goes. Whatever stands against it is found before the frame is touched, so that what is passed up is as it came.
 */
#pragma once

#include <linux/if_ether.h>

#include "count.h"
#include "follow.h"
#include "pick.h"

/* The bits of a tag that are not the VLAN's id: priority and drop eligibility (IEEE 802.1Q, 9.6). */
#define TAG_PRIORITY 0xf000
#define TAG_BYTES 4

/* What sending needs to know beside the frame and the packet. */
struct way {
	const struct match *match;
	const struct egress *egress; /* NULL when all go back where they came from, untagged */
	bool redirects;              /* out by another interface than the frame came by */
	bool opens;                  /* the first packet of its flow */
	bool is_ipv6;
};

/*
 * Both MACs are the frame's first twelve bytes and the destination's first twelve, so they are copied as one
 * eight-byte and one four-byte word. IP and everything above stay as they came: that is direct routing.
 */
static __always_inline void rewrite_macs(void *start, const struct destination *destination)
{
	*(__u64 *)start = *(const __u64 *)destination;
	*(__u32 *)(start + 8) = *(const __u32 *)((const void *)destination + 8);
}

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

/* The real server is this host: its MAC, the lower 48 bits of the first word, is zero. */
static __always_inline bool is_local(const struct destination *destination)
{
	return *(const __u64 *)destination << 16 == 0;
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

static __always_inline const struct egress *egress_of(__u32 number, __u32 copy)
{
	const struct egresses *table = bpf_map_lookup_elem(&egresses, &copy);

	KEEP_BOUNDS_CHECK(number);
	return table ? &table->entry[number & geometry.destination_mask] : NULL;
}

static __always_inline __u32 ip_bytes_of(const struct packet *packet, const struct way *way)
{
	return way->is_ipv6 ? sizeof(struct ipv6hdr) + bpf_ntohs(packet->ip6->payload_len)
			    : bpf_ntohs(packet->ip->tot_len);
}

static __always_inline bool decrements_ttl(const struct way *way)
{
	return uses(FEATURE_TTL) && way->match->flags & SERVICE_TTL;
}

static __always_inline __u8 ttl_of(const struct packet *packet, const struct way *way)
{
	return way->is_ipv6 ? packet->ip6->hop_limit : packet->ip->ttl;
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
					  const struct destination *destination, const struct way *way)
{
	void *start = (void *)(long)context->data;
	__be16 vlan = way->egress->vlan, outer = way->egress->outer_vlan, priority = 0;
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
	*words++ = way->is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	rewrite_macs(start, destination);
	if (decrements_ttl(way))
		decrement_ttl(words, way->is_ipv6);
	return true;
}

/* Sends by the tables that only VLANs and several interfaces need. */
static __always_inline enum verdict send_beyond(struct xdp_md *context, const struct frame *frame,
						const struct packet *packet, const struct destination *destination,
						const struct way *way)
{
	bool opens = way->opens;
	__u32 ip_bytes = ip_bytes_of(packet, way);

	/* What the program returns is what redirects: this finds out whether it can be done. */
	if (way->redirects && bpf_redirect_map(&devices, way->egress->ifindex, XDP_PASS) != XDP_REDIRECT)
		return count_verdict(way->match->number, VERDICT_NO_EGRESS);
	if (!rewrite_frame(context, frame, destination, way))
		return count_verdict(way->match->number, VERDICT_NO_EGRESS);
	count_packet(destination->number, opens, ip_bytes);
	return way->redirects ? VERDICT_REDIRECTED : VERDICT_FORWARDED;
}

/* Whether the frame leaves by another interface, or with other tags than it came. */
static __always_inline bool goes_beyond(const struct frame *frame, const struct way *way)
{
	return (uses(FEATURE_NICS) && way->redirects) ||
	       (uses(FEATURE_VLAN) && (frame->tags || way->egress->vlan || way->egress->outer_vlan));
}

/* Features without which a frame goes back, untagged, where it came from, and is otherwise left alone. */
#define FEATURES_BEYOND (FEATURE_VLAN | FEATURE_NICS | FEATURE_TTL | FEATURE_DIRECTORS)

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

/* The state of a flow that this packet leaves as it is; FLOW_FREE when it may change any. */
static __always_inline __u32 steady_state(const struct packet *packet)
{
	if (packet->passive)
		return FLOW_FREE;
	if (!packet->tcp)
		return FLOW_UDP;
	return (tcp_flags(packet) & TCP_FLAGS_OF_STATE) == TCP_ACK ? FLOW_ESTABLISHED : FLOW_FREE;
}

/* Where on its ring a packet's flow falls. */
static __always_inline __u32 slot_of(const struct packet *packet, const struct way *way)
{
	return ring_slot(way->is_ipv6 ? hash_flow_ipv6(packet) : hash_flow_ipv4(packet), way->match->shift);
}

/* The words of a packet's flow's key. */
static __always_inline void fill_words(__u64 words[3], const struct packet *packet, const struct way *way)
{
	const __u64 *address = packet->client;
	__u16 service = way->match->number;

	if (way->is_ipv6) {
		words[0] = address[0];
		words[1] = address[1];
		words[2] = flow6_rest(packet->ports->source, service);
	} else {
		words[0] = flow4_key(*(const __u32 *)address, packet->ports->source, service);
	}
}

/* The number of the destination of a flow whose entry this packet leaves as it is, or 0. */
static __always_inline __u32 hit(const struct packet *packet, const struct way *way)
{
	__u32 state = steady_state(packet);
	__u64 words[3];

	if (unlikely(state == FLOW_FREE))
		return 0;
	fill_words(words, packet, way);
	__u64 steady = flow_data(packet->ports->destination, 0, state, flow_now());
	return way->is_ipv6 ? hit_flow(words, FLOW6_WORDS, steady) : hit_flow(words, FLOW4_WORDS, steady);
}

/* Follows a packet's flow by all rules. The number of its destination; 0 for none, and `verdict` says why. */
static __always_inline __u32 follow(const struct frame *frame, const struct packet *packet, struct way *way, __u32 copy,
				    enum verdict *verdict)
{
	const struct match *match = way->match;
	__u32 cpu = bpf_get_smp_processor_id();
	struct flow_query *query = bpf_map_lookup_elem(&flow_queries, &cpu);
	if (!query)
		return 0;

	fill_words(query->words, packet, way);
	query->hash = way->is_ipv6 ? hash_flow_ipv6(packet) : hash_flow_ipv4(packet);
	query->first = match->first;
	query->ring = match->ring;
	query->copy = copy;
	query->now = flow_now();
	query->port = packet->ports->destination;
	query->service = match->number;
	query->shift = match->shift;
	query->flags = match->flags;
	query->event = event_of(frame, packet);
	NOTE(event, query->event);
	NOTE_STEP(TRACE_FOLLOWED);
	query->is_ipv6 = way->is_ipv6;
	query->opens = false;
	query->diverted = false;
	query->verdict = VERDICT_NO_DESTINATION;

	__u32 number = way->is_ipv6 ? follow_flow6(query) : follow_flow4(query);
	way->opens = query->opens;
	*verdict = query->verdict;
	return number;
}

/*
 * Schedules a packet of a service. A frame that a switch flooded to everybody, or a NIC in promiscuous mode saw, is
 * not ours to forward: the host it is addressed to does that, and the real server would get it twice.
 *
 * `lean`, a constant, leaves out all that FEATURES_BEYOND are for: 3 ns, in registers that need not be saved.
 */
static __always_inline enum verdict send(struct xdp_md *context, const struct frame *frame, const struct packet *packet,
					 struct way *way, __u32 copy, bool lean)
{
	/* Looked up before anything is computed: what lives across a lookup must be saved. */
	const struct destinations *table = bpf_map_lookup_elem(&destinations, &copy);
	if (!table)
		return VERDICT_NOT_OURS;
	const struct destination *destination = NULL;
	__u8 flags = way->match->flags;
	__u32 number = 0;
	bool follows;

	NOTE_BY(fill_words(trace.words, packet, way));
	NOTE(service, way->match->number);
	NOTE(client_port, packet->ports->source);
	NOTE(port, packet->ports->destination);
	NOTE(protocol, packet->protocol);
	NOTE(tags, frame->tags);
	if (uses(FEATURE_FLOWS) && flags & SERVICE_TRACK) {
		destination = destination_numbered(table, hit(packet, way));
		number = destination->number;
		follows = number == 0;
		NOTE_STEP(number ? TRACE_HIT : 0);
	} else {
		__u32 slot = slot_of(packet, way);

		follows = uses(FEATURE_FLOWS) && flags & (SERVICE_POLICY | SERVICE_MOVED) &&
			  (flags & SERVICE_POLICY || is_moved(table, way->match, slot));
		if (likely(!follows)) {
			NOTE(slot, slot);
			NOTE_STEP(TRACE_RING);
			destination = destination_at(table, pick(table, way->match, slot));
			number = destination->number;
			way->opens = opens_flow(packet);
			if (unlikely(number == 0))
				return count_verdict(way->match->number,
						     flags & SERVICE_DROP ? VERDICT_DROPPED : VERDICT_NO_DESTINATION);
		}
	}
	if (uses(FEATURE_FLOWS) && unlikely(follows)) {
		enum verdict verdict = VERDICT_FORWARDED;

		if (!is_addressed_here(context, frame, table, copy, lean))
			return count_verdict(way->match->number, VERDICT_OTHER_HOST);
		if (!lean && uses(FEATURE_DIRECTORS) && unlikely(is_from_director(frame, table)))
			return count_verdict(way->match->number, VERDICT_FROM_DIRECTOR);
		number = follow(frame, packet, way, copy, &verdict);
		if (unlikely(number == 0))
			return count_verdict(way->match->number, verdict);
		destination = destination_numbered(table, number);
	}
	NOTE(number, number);
	if (!lean && (uses(FEATURE_VLAN) || uses(FEATURE_NICS))) {
		way->egress = egress_of(number, copy);
		if (!way->egress)
			return VERDICT_NOT_OURS;
	}
	/* Mostly packets go back by the interface they came by, whose MAC stands with the destination. */
	if (!lean && uses(FEATURE_NICS) && unlikely(way->egress->ifindex != context->ingress_ifindex)) {
		const struct nic *nic = nic_of(context->ingress_ifindex, copy);
		if (!nic || !addressed_to(frame, nic->mac))
			return count_verdict(way->match->number, VERDICT_OTHER_HOST);
		way->redirects = nic->group != way->egress->group;
	} else if (unlikely(!addressed_to_egress(frame, destination))) {
		return count_verdict(way->match->number, VERDICT_OTHER_HOST);
	}
	if (!lean && uses(FEATURE_DIRECTORS) && unlikely(is_from_director(frame, table)))
		return count_verdict(way->match->number, VERDICT_FROM_DIRECTOR);
	if (unlikely(is_local(destination))) {
		count_packet(number, way->opens, ip_bytes_of(packet, way));
		return VERDICT_LOCAL;
	}

	if (unlikely(ip_bytes_of(packet, way) > table->mtu) &&
	    (lean || !way->egress || ip_bytes_of(packet, way) > way->egress->mtu))
		return count_verdict(way->match->number, VERDICT_TOO_LONG);
	if (!lean && decrements_ttl(way) && unlikely(ttl_of(packet, way) <= 1))
		return count_verdict(way->match->number, VERDICT_TTL);
	if (!lean && way->egress && goes_beyond(frame, way))
		return send_beyond(context, frame, packet, destination, way);

	count_packet(number, way->opens, ip_bytes_of(packet, way));
	if (!lean && decrements_ttl(way))
		decrement_ttl((void *)packet->ip, way->is_ipv6);
	rewrite_macs(frame->start, destination);
	return VERDICT_FORWARDED;
}

static __always_inline enum verdict send_ipv4(struct xdp_md *context, const struct frame *frame,
					      const struct packet *packet, const struct match *match, __u32 copy,
					      bool lean)
{
	struct way way = {
		.match = match,
	};

	return send(context, frame, packet, &way, copy, lean);
}

static __always_inline enum verdict send_ipv6(struct xdp_md *context, const struct frame *frame,
					      const struct packet *packet, const struct match *match, __u32 copy,
					      bool lean)
{
	struct way way = {
		.match = match,
		.is_ipv6 = true,
	};

	return send(context, frame, packet, &way, copy, lean);
}
