/* TLS 1.2 and 1.3 by GnuTLS: the daemon's certificate, and the authorities of its clients.
 * Immutable after loading: safe from any thread. */
#ifndef NTK_SERVER_TLS_H
#define NTK_SERVER_TLS_H

#include <gnutls/gnutls.h>

#include "config/config.h"
#include "core/status.h"

/* What every session begins with, before ntk_tls_begin. */
#define NTK_TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct ntk_tls;

/* Reads tls_certificate, tls_key (closed to other users) and tls_client_ca. Without a certificate
 * gives *out = NULL: plain HTTP. NTK_NO_INPUT, or NTK_BAD_DATA when a file is not PEM or the key is
 * another's. */
enum ntk_status ntk_tls_load(const struct ntk_config *config, struct ntk_tls **out,
                             struct ntk_error *error);

/* The PEM texts, zero-terminated and borrowed. */
const char *ntk_tls_certificate(const struct ntk_tls *tls);
const char *ntk_tls_key(const struct ntk_tls *tls);

/* Makes a session that has not begun its handshake use this certificate and, where there are
 * authorities, end the handshake of a client that has no certificate from them. `tls` must outlive
 * the session's use. NTK_TRY_AGAIN: the session must not be used. */
enum ntk_status ntk_tls_begin(const struct ntk_tls *tls, gnutls_session_t session,
                              struct ntk_error *error);

void ntk_tls_free(struct ntk_tls *tls);

#endif
