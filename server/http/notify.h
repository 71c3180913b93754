/* What systemd is told (sd_notify(3)); without NOTIFY_SOCKET nothing is. */
#ifndef NTK_SERVER_NOTIFY_H
#define NTK_SERVER_NOTIFY_H

#include "core/status.h"
#include "server/http/http.h"

void ntk_notify_ready(void);
void ntk_notify_reloading(void);
void ntk_notify_stopping(void);

/* A thread that tells systemd twice in WATCHDOG_USEC that the daemon lives, as long as
 * ntk_http_lives says so. */
struct ntk_watchdog;

/* Gives *out = NULL where systemd asks for none. `http` must outlive the watchdog. */
enum ntk_status ntk_watchdog_create(struct ntk_http *http, struct ntk_watchdog **out,
                                    struct ntk_error *error);

/* Ends the thread, which may take until a probe times out. NULL is taken. */
void ntk_watchdog_free(struct ntk_watchdog *watchdog);

#endif
