#include <string>
#include <vector>

#include "commands/program.h"

int main(int argc, char** argv) { return anomctl::run_command_line(std::vector<std::string>(argv + 1, argv + argc)); }
