#include "server/http/tls.h"

#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "config/secret.h"

struct ntk_tls {
    gnutls_certificate_credentials_t credentials;
    char *certificate, *key;
    size_t certificate_size, key_size;
    int wants_clients;
};

/* A certificate is no secret, but its file may well be as closed as one. */
static enum ntk_status read_certificate(const char *path, gnutls_datum_t *out,
                                        struct ntk_error *error)
{
    int reason = gnutls_load_file(path, out);
    if (reason < 0)
        return ntk_fail(error, NTK_NO_INPUT, "tls_certificate: cannot read %s: %s", path,
                        gnutls_strerror(reason));
    return NTK_OK;
}

static enum ntk_status load_certificate(struct ntk_tls *tls, const char *path,
                                        struct ntk_error *error)
{
    gnutls_datum_t text = {NULL, 0};
    enum ntk_status status = read_certificate(path, &text, error);
    if (status)
        return status;
    tls->certificate = strndup((const char *)text.data, text.size);
    tls->certificate_size = tls->certificate ? strlen(tls->certificate) : 0;
    gnutls_free(text.data);
    if (!tls->certificate)
        return ntk_fail_memory(error, "tls_certificate", text.size);
    return NTK_OK;
}

static enum ntk_status use_pair(struct ntk_tls *tls, const struct ntk_config *config,
                                struct ntk_error *error)
{
    const gnutls_datum_t certificate = {(unsigned char *)tls->certificate,
                                        (unsigned)tls->certificate_size};
    const gnutls_datum_t key = {(unsigned char *)tls->key, (unsigned)tls->key_size};
    int reason = gnutls_certificate_set_x509_key_mem2(tls->credentials, &certificate, &key,
                                                      GNUTLS_X509_FMT_PEM, NULL, 0);
    if (reason < 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "tls_certificate: %s and tls_key %s are no pair of certificate and key in "
                        "PEM: %s",
                        config->tls_certificate, config->tls_key, gnutls_strerror(reason));
    return NTK_OK;
}

static enum ntk_status use_authorities(struct ntk_tls *tls, const char *path,
                                       struct ntk_error *error)
{
    if (!*path)
        return NTK_OK;
    int n = gnutls_certificate_set_x509_trust_file(tls->credentials, path, GNUTLS_X509_FMT_PEM);
    if (n <= 0)
        return ntk_fail(error, NTK_BAD_DATA,
                        "tls_client_ca: no certificate can be read from %s: %s", path,
                        n < 0 ? gnutls_strerror(n) : "there is none");
    tls->wants_clients = 1;
    return NTK_OK;
}

enum ntk_status ntk_tls_load(const struct ntk_config *config, struct ntk_tls **out,
                             struct ntk_error *error)
{
    if (!*config->tls_certificate) {
        *out = NULL;
        return NTK_OK;
    }
    struct ntk_tls *tls = calloc(1, sizeof *tls);
    if (!tls || gnutls_certificate_allocate_credentials(&tls->credentials) < 0) {
        free(tls);
        return ntk_fail_memory(error, "TLS", sizeof *tls);
    }
    enum ntk_status status = load_certificate(tls, config->tls_certificate, error);
    if (!status)
        status = ntk_secret_read("tls_key", config->tls_key, &tls->key, &tls->key_size, error);
    if (!status)
        status = use_pair(tls, config, error);
    if (!status)
        status = use_authorities(tls, config->tls_client_ca, error);
    if (status)
        ntk_tls_free(tls);
    else
        *out = tls;
    return status;
}

const char *ntk_tls_certificate(const struct ntk_tls *tls)
{
    return tls->certificate;
}

const char *ntk_tls_key(const struct ntk_tls *tls)
{
    return tls->key;
}

enum ntk_status ntk_tls_begin(const struct ntk_tls *tls, gnutls_session_t session,
                              struct ntk_error *error)
{
    /* A certificate made for servers alone does not make its owner a client. */
    static const gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
    int reason = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    if (reason < 0)
        return ntk_fail(error, NTK_TRY_AGAIN, "cannot begin a TLS session: %s",
                        gnutls_strerror(reason));
    if (tls->wants_clients) {
        gnutls_session_set_verify_cert2(session, (gnutls_typed_vdata_st *)&purpose, 1, 0);
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    }
    return NTK_OK;
}

void ntk_tls_free(struct ntk_tls *tls)
{
    if (!tls)
        return;
    if (tls->credentials)
        gnutls_certificate_free_credentials(tls->credentials);
    free(tls->certificate);
    ntk_secret_free(tls->key, tls->key_size);
    free(tls);
}
