/* A client that costs little, so that what is measured is the daemon: many kept connections, one
 * thread, each connection asking at its own regular moments.
 *
 *   load_client PORT SECONDS CONNECTIONS RATE            pollers: GET of the path on standard
 * input, If-None-Match with the last ETag load_client PORT SECONDS CONNECTIONS RATE TYPE TARGET
 * POST of the body on standard input
 *
 * RATE is of all connections together, a second. Prints one JSON line: how many replies, how many
 * of them 200 and 304, requests whose moment passed while the connection was busy ("late"), and the
 * time from the first byte sent to the last one received, in microseconds. Anything else than 200
 * or 304 ends it. Asks for real-time priority, as its own waiting for a processor is not the
 * daemon's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REPLY = 1 << 20, REQUEST = 1 << 18, TAG = 80, LATENCIES = 1 << 21 };

struct connection {
    int socket, busy;
    double next, sent; /* seconds */
    char tag[TAG];
    size_t got, wanted; /* bytes of a reply; wanted 0: its headers are not complete */
    int status;
    char head[4096];
};

struct client {
    const char *type, *target; /* NULL: pollers */
    char *body;
    size_t body_size, n, ok, same, late, n_latencies;
    double period;
    struct connection *connections;
    float *latencies;
    char *scratch;
};

static void die(const char *what)
{
    fprintf(stderr, "load_client: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int connect_to(unsigned short port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, made = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (made < 0 || connect(made, (struct sockaddr *)&address, sizeof address))
        die("cannot connect");
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return made;
}

/* ---- a request ------------------------------------------------------------------------------ */

static size_t print_request(const struct client *client, const struct connection *connection,
                            char *out)
{
    int head;
    if (client->target) {
        head = snprintf(out, REQUEST,
                        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        client->target, client->type, client->body_size);
        memcpy(out + head, client->body, client->body_size);
        return (size_t)head + client->body_size;
    }
    head = snprintf(out, REQUEST, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s\r\n", client->body,
                    *connection->tag ? "If-None-Match: " : "", connection->tag,
                    *connection->tag ? "\r\n" : "");
    return (size_t)head;
}

static void ask(struct client *client, struct connection *connection)
{
    size_t size = print_request(client, connection, client->scratch), sent = 0;
    connection->busy = 1;
    connection->got = connection->wanted = 0;
    connection->sent = now();
    while (sent < size) {
        ssize_t put = send(connection->socket, client->scratch + sent, size - sent, MSG_NOSIGNAL);
        if (put < 0)
            die("cannot send");
        sent += (size_t)put;
    }
}

/* ---- a reply -------------------------------------------------------------------------------- */

static void read_head(struct connection *connection, size_t end)
{
    const char *length = strcasestr(connection->head, "\r\nContent-Length:");
    const char *tag = strcasestr(connection->head, "\r\nETag: ");
    connection->status = atoi(connection->head + 9);
    connection->wanted = end;
    if (connection->status == 200 && length)
        connection->wanted += strtoul(length + 17, NULL, 10);
    if (tag)
        snprintf(connection->tag, TAG, "%.*s", (int)strcspn(tag + 8, "\r"), tag + 8);
}

static void finish(struct client *client, struct connection *connection)
{
    connection->busy = 0;
    client->ok += connection->status == 200;
    client->same += connection->status == 304;
    if (client->n_latencies < LATENCIES)
        client->latencies[client->n_latencies++] = (float)(1e6 * (now() - connection->sent));
    if (connection->status != 200 && connection->status != 304) {
        fprintf(stderr, "load_client: a reply was\n%s\n", connection->head);
        exit(1);
    }
}

static void take(struct client *client, struct connection *connection)
{
    ssize_t got = recv(connection->socket, client->scratch, REPLY, 0);
    size_t room = sizeof connection->head - 1;
    if (got <= 0)
        die("the connection was lost");
    if (!connection->wanted && connection->got < room) {
        size_t left = room - connection->got, part = (size_t)got < left ? (size_t)got : left;
        memcpy(connection->head + connection->got, client->scratch, part);
        connection->head[connection->got + part] = 0;
        const char *end = strstr(connection->head, "\r\n\r\n");
        if (end)
            read_head(connection, (size_t)(end + 4 - connection->head));
    }
    connection->got += (size_t)got;
    if (connection->wanted && connection->got >= connection->wanted)
        finish(client, connection);
}

/* ---- all of them ---------------------------------------------------------------------------- */

/* Sends what is due; the seconds until something is. */
static double send_due(struct client *client)
{
    double soonest = 1e9, time = now();
    for (size_t i = 0; i < client->n; i++) {
        struct connection *connection = &client->connections[i];
        if (connection->next <= time) {
            if (connection->busy)
                client->late++;
            else
                ask(client, connection);
            while (connection->next <= time)
                connection->next += client->period;
        }
        soonest = connection->next < soonest ? connection->next : soonest;
    }
    return soonest - now();
}

static int wait_for(int poller, struct epoll_event *events, int most, double seconds)
{
    struct timespec limit = {0};
    if (seconds > 0) {
        limit.tv_sec = (time_t)seconds;
        limit.tv_nsec = (long)(1e9 * (seconds - (double)limit.tv_sec));
    }
    int n = epoll_pwait2(poller, events, most, &limit, NULL);
    if (n < 0 && errno != EINTR)
        die("epoll_pwait2");
    return n < 0 ? 0 : n;
}

static void run(struct client *client, int poller, double seconds)
{
    struct epoll_event events[64];
    double end = now() + seconds;
    while (now() < end) {
        double pause = send_due(client);
        int n = wait_for(poller, events, 64, pause);
        for (int i = 0; i < n; i++)
            take(client, events[i].data.ptr);
    }
}

static void open_all(struct client *client, int poller, unsigned short port)
{
    double start = now() + 0.1;
    client->connections = calloc(client->n, sizeof *client->connections);
    for (size_t i = 0; i < client->n; i++) {
        struct connection *connection = &client->connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        connection->socket = connect_to(port);
        connection->next = start + client->period * (double)i / (double)client->n;
        epoll_ctl(poller, EPOLL_CTL_ADD, connection->socket, &event);
    }
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void report(const struct client *client, int real_time)
{
    size_t n = client->n_latencies;
    qsort(client->latencies, n, sizeof *client->latencies, ascending);
    printf("{\"replies\": %zu, \"ok\": %zu, \"not_modified\": %zu, \"late\": %zu, \"real_time\": "
           "%s, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"most_us\": %.1f}\n",
           n, client->ok, client->same, client->late, real_time ? "true" : "false",
           n ? client->latencies[n / 2] : -1, n ? client->latencies[n * 9 / 10] : -1,
           n ? client->latencies[n * 99 / 100] : -1, n ? client->latencies[n - 1] : -1);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct sched_param priority = {.sched_priority = 1};
    struct client client = {.type = argc > 6 ? argv[5] : NULL, .target = argc > 6 ? argv[6] : NULL};
    if (argc != 5 && argc != 7) {
        fprintf(stderr, "usage: load_client PORT SECONDS CONNECTIONS RATE [TYPE TARGET] <INPUT\n");
        return 64;
    }
    client.n = strtoul(argv[3], NULL, 10);
    client.period = (double)client.n / atof(argv[4]);
    client.body = calloc(1, REQUEST);
    client.latencies = calloc(LATENCIES, sizeof *client.latencies);
    client.scratch = malloc(REPLY);
    client.body_size = fread(client.body, 1, REQUEST - 4096, stdin);
    if (!client.target)
        client.body[strcspn(client.body, "\n")] = 0;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int poller = epoll_create1(EPOLL_CLOEXEC),
        real_time = !sched_setscheduler(0, SCHED_FIFO, &priority);
    open_all(&client, poller, (unsigned short)atoi(argv[1]));
    run(&client, poller, atof(argv[2]));
    report(&client, real_time);
    return 0;
}
