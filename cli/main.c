#include "cli/command.h"

int main(int argc, char **argv)
{
    return ntk_command_run(argc, argv);
}
