/* The result: one line of JSON, milliseconds and counts. */
#include "loadgen.h"

static void print_hist(const char *name, const struct hist *h) {
    printf("\"%s\":{\"count\":%llu,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}", name,
           (unsigned long long)h->count, hist_at(h, .50) / 1e3, hist_at(h, .90) / 1e3, hist_at(h, .99) / 1e3,
           hist_at(h, .999) / 1e3, h->max / 1e3);
}

/* What must have arrived by now: each stored message at each member that reads. Without acknowledgements
 * (raw) a sent message counts as stored. */
uint64_t group_expected(const struct group *g) {
    uint64_t n = 0;
    for (uint32_t i = g->first_room; i < g->first_room + g->rooms; i++)
        n += (run.opt.proto == PROTO_JSON ? run.rooms[i].acked : run.rooms[i].sent) * run.rooms[i].readers;
    return n;
}

static void print_connect(void) {
    printf("\"connect\":{\"wanted\":%u,\"ready\":%u,\"failed\":%u,\"closed\":%u,\"seconds\":%.4f,\"per_second\":%.1f}",
           run.conn_count, run.ready, run.failed, run.closed, run.connect_seconds,
           run.connect_seconds > 0 ? run.ready / run.connect_seconds : 0.0);
}

void report_event(const char *name) {
    printf("{\"event\":\"%s\",", name);
    print_connect();
    printf(",\"error\":\"%s\"}\n", run.first_error);
    fflush(stdout);
}

static void print_group(const struct group *g) {
    uint64_t expected = group_expected(g);
    /* In JSON mode the server's own numbers and ours must both be whole; the worse count is reported. */
    const struct faults *a = &g->faults, *b = &g->seq_faults;
    bool json = run.opt.proto == PROTO_JSON;
    uint64_t lost = json && (b->lost > a->lost || g->refused) ? b->lost : a->lost;
    printf("{\"name\":\"%s\",\"rooms\":%u,\"members\":%u,\"senders\":%u,\"stalled\":%u,\"rate\":%.1f,"
           "\"intended\":%llu,\"sent\":%llu,\"acked\":%llu,\"refused\":%llu,\"ack_twice\":%llu,",
           g->name, g->rooms, g->members, g->senders, g->stall, g->rate, (unsigned long long)g->total,
           (unsigned long long)g->sent, (unsigned long long)g->acked, (unsigned long long)g->refused,
           (unsigned long long)g->ack_twice);
    printf("\"expected\":%llu,\"delivered\":%llu,\"lost\":%llu,\"twice\":%llu,\"disorder\":%llu,\"missing\":%lld,"
           "\"stray\":%llu,\"resyncs\":%llu,\"bad\":%llu,\"deliveries_per_second\":%.0f,",
           (unsigned long long)expected, (unsigned long long)g->delivered, (unsigned long long)lost,
           (unsigned long long)(a->twice > b->twice ? a->twice : b->twice),
           (unsigned long long)(a->disorder > b->disorder ? a->disorder : b->disorder),
           (long long)expected - (long long)g->delivered, (unsigned long long)g->stray,
           (unsigned long long)g->resyncs, (unsigned long long)g->bad,
           run.window_seconds > 0 ? (double)(g->delivered_after - g->delivered_before) / run.window_seconds : 0.0);
    print_hist("delivery_ms", &g->delivery);
    putchar(',');
    print_hist("ack_ms", &g->ack);
    putchar('}');
}

void report_result(void) {
    double cpu = run.window_seconds > 0 ? run.cpu_seconds / run.window_seconds : 0;
    double lag = hist_at(&run.lag, .99) / 1e3;
    printf("{\"event\":\"result\",\"groups\":[");
    for (uint32_t i = 0; i < run.opt.group_count; i++) {
        if (i)
            putchar(',');
        print_group(&run.groups[i]);
    }
    printf("],");
    print_connect();
    printf(",\"client\":{\"seconds\":%.3f,\"cpu\":%.3f,\"saturated\":%s,\"bytes_in\":%llu,\"reads\":%llu,\"others\":%llu,",
           run.window_seconds, cpu, cpu > 0.9 || lag > run.opt.lag_bound ? "true" : "false",
           (unsigned long long)run.bytes_in, (unsigned long long)run.reads, (unsigned long long)run.others);
    print_hist("lag_ms", &run.lag);
    putchar(',');
    print_hist("turn_ms", &run.turn);
    printf("},\"quiet_seconds\":%.3f,\"error\":\"%s\"}\n",
           run.last_delivery ? (double)(now_us() - run.last_delivery) / 1e6 : 0.0, run.first_error);
    fflush(stdout);
}
