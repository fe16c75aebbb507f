#define _GNU_SOURCE
#include "loadgen.h"
#include "marker.h"

#include <arpa/inet.h>
#include <getopt.h>

static const char USAGE[] =
    "usage: loadgen --target HOST:PORT [--target ...] --group KEY=VALUE,... [--group ...] [options]\n"
    "\n"
    "Opens websocket connections, sends at a fixed rate and counts every delivery. One line of JSON on stdout.\n"
    "\n"
    "  --mode run|idle|listen  run: send and measure. idle: join, print a ready line, hold until a line on stdin.\n"
    "                          listen: send nothing, count what comes (the client's own ceiling)\n"
    "  --proto NAME            json: Parley's protocol. raw: each text frame goes to the whole room.\n"
    "                          socketio: the same in packets of Socket.IO, whose members join the room first\n"
    "  --path PATH             request path; {room} becomes the room's name (default /ws or /feed/{room})\n"
    "  --group ...             name=TEXT rooms=N members=N (per room) senders=N (per room) rate=N (messages/s,\n"
    "                          all rooms of the group together) stall=N (members that stop reading)\n"
    "  --room-prefix TEXT      makes room names unique to this run\n"
    "  --duration S            measured time, after --warmup S (default 5 and 1)\n"
    "  --drain S               how long to wait for what is still under way (default 5)\n"
    "  --text-bytes N          size of a text (default 128)\n"
    "  --window N              unacknowledged sends per connection, json only (default 32, at most 64)\n"
    "  --connect-parallel N    handshakes under way at a time (default 128)\n"
    "  --connect-timeout S     for all connections and joins together (default 60)\n"
    "  --read-gap-us N         at least this long between two rounds of reading; joins small reads (default 0)\n"
    "  --hold-max S            idle: longest wait for the line on stdin (default 120)\n"
    "  --lag-bound MS          p99 of the client's own send lag from which it calls itself saturated (default 50)\n";

__attribute__((noreturn)) static void usage(const char *problem, const char *value) {
    fprintf(stderr, "loadgen: %s%s%s\n\n%s", problem, value ? ": " : "", value ? value : "", USAGE);
    exit(EXIT_USAGE);
}

static double number(const char *text, double least, double most) {
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= least && v <= most))
        usage("not a number or out of range", text);
    return v;
}

static void read_target(const char *text, struct options *o) {
    struct target *t = &o->targets[o->target_count];
    const char *colon = strrchr(text, ':');
    struct in_addr address;
    if (o->target_count == MAX_TARGETS || !colon || (size_t)(colon - text) >= sizeof t->host)
        usage("bad --target", text);
    memcpy(t->host, text, (size_t)(colon - text));
    t->port = (int)number(colon + 1, 1, 65535);
    if (inet_pton(AF_INET, t->host, &address) != 1)
        usage("--target wants an IPv4 address", text);
    if (ntohl(address.s_addr) >> 24 != 127)
        usage("--target must be a loopback address: this client loads only its own machine", text);
    o->target_count++;
}

static void read_group(char *text, struct run *r) {
    if (r->opt.group_count == MAX_GROUPS)
        usage("too many groups", NULL);
    struct group *g = &r->groups[r->opt.group_count++];
    snprintf(g->name, sizeof g->name, "g%u", r->opt.group_count - 1);
    g->rooms = g->members = 1;
    for (char *item = strtok(text, ","); item; item = strtok(NULL, ",")) {
        char *value = strchr(item, '=');
        if (!value)
            usage("bad --group", item);
        *value++ = 0;
        if (!strcmp(item, "name"))
            snprintf(g->name, sizeof g->name, "%.20s", value);
        else if (!strcmp(item, "rooms"))
            g->rooms = (uint32_t)number(value, 1, MAX_CONNS);
        else if (!strcmp(item, "members"))
            g->members = (uint32_t)number(value, 1, MAX_CONNS);
        else if (!strcmp(item, "senders"))
            g->senders = (uint32_t)number(value, 0, MAX_CONNS);
        else if (!strcmp(item, "stall"))
            g->stall = (uint32_t)number(value, 0, MAX_CONNS);
        else if (!strcmp(item, "rate"))
            g->rate = number(value, 0, 1e7);
        else
            usage("unknown key in --group", item);
    }
    if (g->senders > g->members)
        usage("more senders than members", g->name);
    if ((g->rate > 0) != (g->senders > 0))
        usage("rate and senders go together", g->name);
    if (g->stall > g->rooms * (g->members - g->senders))
        usage("more stalled readers than members that do not send", g->name);
}

enum { O_MODE = 1000, O_PROTO, O_TARGET, O_PATH, O_GROUP, O_PREFIX, O_DURATION, O_WARMUP, O_DRAIN, O_TEXT,
       O_WINDOW, O_PARALLEL, O_CONNECT, O_GAP, O_HOLD, O_LAG, O_HELP };

static const struct option LONG[] = {
    {"mode", 1, 0, O_MODE}, {"proto", 1, 0, O_PROTO}, {"target", 1, 0, O_TARGET}, {"path", 1, 0, O_PATH},
    {"group", 1, 0, O_GROUP}, {"room-prefix", 1, 0, O_PREFIX}, {"duration", 1, 0, O_DURATION},
    {"warmup", 1, 0, O_WARMUP}, {"drain", 1, 0, O_DRAIN}, {"text-bytes", 1, 0, O_TEXT}, {"window", 1, 0, O_WINDOW},
    {"connect-parallel", 1, 0, O_PARALLEL}, {"connect-timeout", 1, 0, O_CONNECT}, {"read-gap-us", 1, 0, O_GAP},
    {"hold-max", 1, 0, O_HOLD}, {"lag-bound", 1, 0, O_LAG}, {"help", 0, 0, O_HELP}, {0, 0, 0, 0}};

static enum mode read_mode(const char *text) {
    if (!strcmp(text, "run"))
        return MODE_RUN;
    if (!strcmp(text, "idle"))
        return MODE_IDLE;
    if (!strcmp(text, "listen"))
        return MODE_LISTEN;
    usage("unknown --mode", text);
}

static enum proto read_proto(const char *text) {
    if (!strcmp(text, "json"))
        return PROTO_JSON;
    if (!strcmp(text, "raw"))
        return PROTO_RAW;
    if (!strcmp(text, "socketio"))
        return PROTO_SOCKETIO;
    usage("unknown --proto", text);
}

static void read_one(int option, char *text, struct run *r) {
    struct options *o = &r->opt;
    switch (option) {
    case O_MODE: o->mode = read_mode(text); break;
    case O_PROTO: o->proto = read_proto(text); break;
    case O_TARGET: read_target(text, o); break;
    case O_PATH: snprintf(o->path, sizeof o->path, "%s", text); break;
    case O_GROUP: read_group(text, r); break;
    case O_PREFIX: snprintf(o->room_prefix, sizeof o->room_prefix, "%s", text); break;
    case O_DURATION: o->duration = number(text, 0.1, 600); break;
    case O_WARMUP: o->warmup = number(text, 0, 60); break;
    case O_DRAIN: o->drain = number(text, 0, 60); break;
    case O_TEXT: o->text_bytes = (uint32_t)number(text, MARK_BYTES, TEXT_MAX); break;
    case O_WINDOW: o->window = (uint32_t)number(text, 1, ACK_SPAN); break;
    case O_PARALLEL: o->connect_parallel = (uint32_t)number(text, 1, 4096); break;
    case O_CONNECT: o->connect_timeout = number(text, 0.1, 600); break;
    case O_GAP: o->read_gap_us = (uint32_t)number(text, 0, 100000); break;
    case O_HOLD: o->hold_max = number(text, 0, 3600); break;
    case O_LAG: o->lag_bound = number(text, 0.1, 10000); break;
    case O_HELP: fputs(USAGE, stdout); exit(0);
    default: fputs(USAGE, stderr); exit(EXIT_USAGE);
    }
}

void options_read(int argc, char **argv, struct run *r) {
    r->opt = (struct options){.duration = 5, .warmup = 1, .drain = 5, .connect_timeout = 60, .hold_max = 120,
                              .lag_bound = 50, .text_bytes = 128, .connect_parallel = 128, .window = 32,
                              .room_prefix = "bench"};
    for (int option; (option = getopt_long(argc, argv, "", LONG, NULL)) != -1;)
        read_one(option, optarg, r);
    if (optind < argc)
        usage("unexpected argument", argv[optind]);
    if (!r->opt.target_count || !r->opt.group_count)
        usage("--target and --group are needed", NULL);
    if (!r->opt.path[0])
        strcpy(r->opt.path, r->opt.proto == PROTO_JSON ? "/ws" : "/feed/{room}");
}
