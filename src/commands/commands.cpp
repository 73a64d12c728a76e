// The table of subcommands, in the order of --help. Each is defined in its own pair of files.
#include "commands/api_token.h"
#include "commands/build_images.h"
#include "commands/command.h"
#include "commands/completion.h"
#include "commands/create_datasets.h"
#include "commands/demo.h"
#include "commands/doctor.h"
#include "commands/drill.h"
#include "commands/evaluate.h"
#include "commands/generate.h"
#include "commands/health.h"
#include "commands/label.h"
#include "commands/manage.h"
#include "commands/models.h"
#include "commands/models_import.h"
#include "commands/reference.h"
#include "commands/registered_models.h"
#include "commands/retrain.h"
#include "commands/runs.h"
#include "commands/score.h"
#include "commands/serve.h"
#include "commands/set_auth.h"
#include "commands/templates_apply.h"
#include "commands/train.h"
#include "commands/up.h"
#include "commands/verify.h"

namespace anomctl {

const std::vector<CommandSpec>& all_commands() {
  static const std::vector<CommandSpec> commands = {
      create_datasets_command(),
      train_command(),
      evaluate_command(),
      drill_command(),
      score_command(),
      models_import_command(),
      models_list_command(),
      models_show_command(),
      models_export_command(),
      models_register_command(),
      models_promote_command(),
      models_rollback_command(),
      retrain_command(),
      runs_list_command(),
      runs_show_command(),
      runs_compare_command(),
      runs_sync_command(),
      runs_export_command(),
      serve_command(),
      manage_command(),
      generate_command(),
      up_command(),
      demo_command(),
      label_command(),
      verify_command(),
      build_images_command(),
      set_auth_command(),
      api_token_command(),
      templates_apply_command(),
      doctor_command(),
      health_command(),
      completion_command(),
      reference_command(),
  };
  return commands;
}

}  // namespace anomctl
