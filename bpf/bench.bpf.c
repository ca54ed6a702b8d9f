// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Programs for the benchmark: floors that do nothing, and the director fed with flows of all kinds.
 *
 * BPF_PROG_RUN repeats one packet; to have many flows and services, `flows_*` rewrite the packet's addresses and source
 * port before each run. The floor of a measured program is the same rewriting followed by nothing.
 * Likewise all programs but mac_swap restore the client's MAC, which the run before replaced by the director's: a frame
 * from the real server that it would go to is not sent there.
 */
#include "director.bpf.c"

/* The state from which the flows_* programs draw; the benchmark sets it between runs. */
struct bench {
	__u64 state;     /* of the generator */
	__u32 flow_mask; /* flows - 1, a power of two less one */
	__u32 services;  /* the packet goes to 10.200.0.0 + [0, services) */
	__u64 source;    /* bytes 6 to 13 of the frame: the client's MAC and the EtherType */
};

struct bench bench SEC(".data.bench");

/* 10.200.0.0: the VIPs of the benchmark's services. */
#define FIRST_VIP 0x0ac80000

/*
 * Makes the frame come from the client again. One store, as wide as the director's read of the MAC: the processor
 * forwards it to that read, and the floor pays for the store as the director does.
 */
static __always_inline bool from_client(struct xdp_md *context)
{
	void *data = (void *)(long)context->data;

	if (data + sizeof(struct ethhdr) > (void *)(long)context->data_end)
		return false;
	*(__u64 *)(data + ETH_ALEN) = bench.source;
	return true;
}

/* The first bytes of the clients' addresses: none of them has martians, or the benchmark's VIPs. */
#define FIRST_NETWORK 11
#define NETWORKS 100

/* Knuth's MMIX generator; its upper bits are good enough to pick flows with. */
static __always_inline __u64 draw(void)
{
	bench.state = bench.state * 6364136223846793005ULL + 1442695040888963407ULL;
	return bench.state >> 32;
}

/* Turns the packet into a packet of a random flow, to a random service. */
static __always_inline void randomize(struct xdp_md *context)
{
	struct ethhdr *ethernet = (void *)(long)context->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct ports *ports = (void *)(ip + 1);

	if ((void *)(ports + 1) > (void *)(long)context->data_end)
		return;
	from_client(context);
	__u64 random = draw();
	__u32 flow = random & bench.flow_mask;
	/* Neighbouring flow numbers become far-away clients, as on a real network. */
	__u64 client = (flow + 1) * MULTIPLIER_3;
	__be32 address = client >> 32;
	ip->saddr = (address & ~0xff) | (FIRST_NETWORK + ((address & 0xff) * NETWORKS >> 8));
	ports->source = client >> 16;
	ip->daddr = bpf_htonl(FIRST_VIP + (__u32)((random * bench.services) >> 32));
}

SEC("xdp.frags")
int empty(struct xdp_md *context)
{
	return from_client(context) ? XDP_TX : XDP_PASS;
}

/* The least that a direct-routing director could do. */
SEC("xdp.frags")
int mac_swap(struct xdp_md *context)
{
	void *data = (void *)(long)context->data;

	if (data + sizeof(struct ethhdr) > (void *)(long)context->data_end)
		return XDP_PASS;
	__u64 first = *(__u64 *)data;
	__u64 destination = first & 0xffffffffffffULL;
	__u64 source = first >> 48 | (__u64) * (__u32 *)(data + 8) << 16;
	*(__u64 *)data = source | destination << 48;
	*(__u32 *)(data + 8) = destination >> 16;
	return XDP_TX;
}

SEC("xdp.frags")
int from_client_director(struct xdp_md *context)
{
	return from_client(context) ? action_of(direct(context)) : XDP_PASS;
}

SEC("xdp.frags")
int flows_empty(struct xdp_md *context)
{
	randomize(context);
	return XDP_TX;
}

/*
 * The least that any director could do that remembers each flow: one look at a table of that size, at random. Its cost
 * is that of the machine's memory.
 */
SEC("xdp.frags")
int flows_read(struct xdp_md *context)
{
	volatile __u64 *table = flow_table(false);

	randomize(context);
	if (!table)
		return XDP_PASS;
	return *bucket_of(table, mix(bench.state), extent_of(FLOW4_WORDS), FLOW4_WORDS) == 1 ? XDP_PASS : XDP_TX;
}

/* DEPENDENT_READS in src/bench/program/paths.ts. */
#define DEPENDENT_READS 16

/*
 * A chain of reads of the table at random: each address depends on what the read before returned. What a packet costs
 * that waits for one read of memory.
 */
SEC("xdp.frags")
int dependent_read(struct xdp_md *context)
{
	volatile __u64 *table = flow_table(false);
	__u64 state = bench.state;

	if (!table || !from_client(context))
		return XDP_PASS;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < DEPENDENT_READS; i++) {
		/* A table without flows is all zero, which neither clang nor the processor knows. */
		state += *bucket_of(table, mix(state), extent_of(FLOW4_WORDS), FLOW4_WORDS) + 1;
	}
	bench.state = state;
	return XDP_TX;
}

SEC("xdp.frags")
int flows_director(struct xdp_md *context)
{
	randomize(context);
	return action_of(direct(context));
}
