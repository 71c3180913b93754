#include "config/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ntk_config_is_loopback(const char *address)
{
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, address, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static void check_token(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    struct stat info;
    if (!*config->token_file) {
        if (!ntk_config_is_loopback(config->listen_address))
            ntk_config_problem(problems,
                               "listen_address: %s can be reached from other machines, a "
                               "token_file was expected with it",
                               config->listen_address);
        return;
    }
    if (stat(config->token_file, &info))
        ntk_config_problem(problems, "token_file: cannot read %s: %s", config->token_file,
                           strerror(errno));
    else if (!S_ISREG(info.st_mode))
        ntk_config_problem(problems, "token_file: %s is not a regular file", config->token_file);
    else if (info.st_mode & 027)
        ntk_config_problem(problems,
                           "token_file: %s has mode %04o, one that other users cannot read and "
                           "the group cannot write was expected, such as 0600",
                           config->token_file, (unsigned)info.st_mode & 07777);
    else if (access(config->token_file, R_OK))
        ntk_config_problem(problems, "token_file: cannot read %s: %s", config->token_file,
                           strerror(errno));
}

static void check_program(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    struct stat info;
    if (stat(config->ntkuq_program, &info))
        ntk_config_problem(problems, "ntkuq_program: cannot run %s: %s", config->ntkuq_program,
                           strerror(errno));
    else if (!S_ISREG(info.st_mode) || access(config->ntkuq_program, X_OK))
        ntk_config_problem(problems, "ntkuq_program: %s is not a program that can be run",
                           config->ntkuq_program);
}

void ntk_config_check(const struct ntk_config *config, struct ntk_config_problems *problems)
{
    if (!*config->state_dir)
        ntk_config_problem(problems, "state_dir: is empty, a folder was expected");
    check_token(config, problems);
    check_program(config, problems);
}
