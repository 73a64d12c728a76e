#include "anomctl/io/tracking/mlflow_database.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "anomctl/core/error.h"
#include "io/sqlite/sqlite.h"

namespace anomctl {

using sqlite::Database;
using sqlite::SqliteError;
using sqlite::Statement;

namespace {

// Names of constraints are those that later migrations look for. KILLED, which came later, is let in at once.
constexpr const char* kSchema = R"(
CREATE TABLE experiments (experiment_id INTEGER NOT NULL, name VARCHAR(256) NOT NULL, artifact_location VARCHAR(256),
  lifecycle_stage VARCHAR(32), CONSTRAINT experiment_pk PRIMARY KEY (experiment_id), UNIQUE (name),
  CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')));
CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL, name VARCHAR(250), source_type VARCHAR(20), source_name VARCHAR(500),
  entry_point_name VARCHAR(50), user_id VARCHAR(256), status VARCHAR(20), start_time BIGINT, end_time BIGINT,
  source_version VARCHAR(50), lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER,
  CONSTRAINT run_pk PRIMARY KEY (run_uuid),
  CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT')),
  CONSTRAINT status CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED')),
  CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted')),
  FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id));
CREATE TABLE tags ("key" VARCHAR(250) NOT NULL, value VARCHAR(250), run_uuid VARCHAR(32) NOT NULL,
  CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid), FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid));
CREATE TABLE params ("key" VARCHAR(250) NOT NULL, value VARCHAR(250) NOT NULL, run_uuid VARCHAR(32) NOT NULL,
  CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid), FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid));
CREATE TABLE metrics ("key" VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL,
  run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, is_nan BOOLEAN DEFAULT '0' NOT NULL,
  CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan),
  FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid));
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO alembic_version VALUES ('181f10493468');
INSERT INTO experiments VALUES (0, 'Default', '', 'active');
)";

}  // namespace

struct MlflowDatabase::Impl {
  fs::path path;
  std::unique_ptr<Database> database;
  std::int64_t experiments = 0;
  bool whole = false;

  void insert_pairs(const char* sql, const std::string& run, const std::map<std::string, std::string>& pairs) {
    Statement insert(*database, sql);
    for (const auto& [key, value] : pairs) insert.bind_text(1, key).bind_text(2, value).bind_text(3, run).finish();
  }
  template <class F>
  void guarded(F&& work) {
    try {
      work();
    } catch (const SqliteError& error) {
      throw failed("cannot write " + path.string() + ": " + error.what());
    }
  }
};

MlflowDatabase::MlflowDatabase(const fs::path& path) : impl_(std::make_unique<Impl>()) {
  std::error_code error;
  if (fs::exists(path, error)) throw failed(path.string() + " is there already: give a file that is new");
  impl_->path = path;
  impl_->guarded([&] {
    impl_->database = std::make_unique<Database>(path);
    impl_->database->run("BEGIN");
    impl_->database->run(kSchema);
  });
}

MlflowDatabase::~MlflowDatabase() {
  impl_->database.reset();
  std::error_code ignored;
  if (!impl_->whole) fs::remove(impl_->path, ignored);
}

std::int64_t MlflowDatabase::add_experiment(const std::string& name, const std::string& artifact_uri) {
  if (name == "Default") return 0;
  impl_->guarded([&] {
    Statement(*impl_->database, "INSERT INTO experiments VALUES (?, ?, ?, 'active')")
        .bind(1, ++impl_->experiments)
        .bind_text(2, name)
        .bind_text(3, artifact_uri)
        .finish();
  });
  return impl_->experiments;
}

void MlflowDatabase::add_run(const MlflowRun& run, std::int64_t experiment, const std::vector<MlflowMetric>& points) {
  impl_->guarded([&] {
    Statement insert(*impl_->database,
                     "INSERT INTO runs VALUES (?, ?, 'LOCAL', '', '', ?, ?, ?, nullif(?, 0), '', 'active', ?, ?)");
    insert.bind_text(1, run.id).bind_text(2, run.name).bind_text(3, run.user).bind_text(4, run.status);
    insert.bind(5, run.start_ms).bind(6, run.end_ms).bind_text(7, run.artifact_uri).bind(8, experiment).finish();
    impl_->insert_pairs("INSERT INTO params VALUES (?, ?, ?)", run.id, run.params);
    impl_->insert_pairs("INSERT INTO tags VALUES (?, ?, ?)", run.id, run.tags);
    // One point may have been written twice; MLflow keeps the largest number for infinity.
    Statement metric(*impl_->database, "INSERT OR IGNORE INTO metrics VALUES (?, ?, ?, ?, ?, ?)");
    constexpr double kMost = std::numeric_limits<double>::max();
    for (const MlflowMetric& point : points) {
      const bool nan = std::isnan(point.value);
      metric.bind_text(1, point.key).bind_real(2, nan ? 0 : std::clamp(point.value, -kMost, kMost));
      metric.bind(3, point.time_ms).bind_text(4, run.id).bind(5, point.step).bind(6, std::int64_t{nan}).finish();
    }
  });
}

void MlflowDatabase::finish() {
  impl_->guarded([&] { impl_->database->run("COMMIT"); });
  impl_->database.reset();
  impl_->whole = true;
}

}  // namespace anomctl
