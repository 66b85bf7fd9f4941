# Every target does all its own set-up (.ci/setup, at once when nothing is to be done). ARGS="..." is passed on.
.DEFAULT_GOAL := help
.PHONY: help demo serve migrate test test-long check golden mutation bench load lock clean

export PYTHON
ARGS =
BIN = .venv/bin
# more than four workers gain little
WORKERS = $(shell n=$$(nproc); [ $$n -le 4 ] || n=4; echo $$n)
PYTEST = $(BIN)/python -m pytest
# a run that does not end says how far it came
AT_MOST = timeout --foreground --signal=INT --kill-after=60

help:  ## this list · 本列表
	@sed -n 's/^\([a-z-]*\): .*##/\1	/p;s/^\([a-z-]*\):  *##/\1	/p' Makefile | expand -t 12

demo:  ## the sample community on a map, in the browser (ARGS=--once: files only) · 演示：样例社区上图（ARGS=--once 只写文件）
	@.ci/setup demo
	@exec $(BIN)/wangge demo $(ARGS)

serve:  ## the API and the maps of what is loaded · 启动服务
	@.ci/setup demo
	@exec $(BIN)/wangge serve $(ARGS)

migrate:  ## the database's tables, up to date · 升级数据库表结构
	@.ci/setup demo
	@exec $(BIN)/wangge db migrate $(ARGS)

test:  ## the tests, at most 10 minutes · 测试（不超过 10 分钟）
	@.ci/setup test
	@exec $(AT_MOST) 1500 $(PYTEST) -n $(WORKERS) -m "not long" $(ARGS)

test-long:  ## the long tests, at most 35 minutes · 长测试（不超过 35 分钟）
	@.ci/setup test
	@exec $(AT_MOST) 2700 $(PYTEST) -n $(WORKERS) -m long $(ARGS)

check:  ## style, types, direction of imports · 代码检查
	@.ci/setup test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

golden:  ## renew the stored plan of the sample; review the difference · 更新示例方案基准
	@.ci/setup test
	@$(PYTEST) tests/golden --renew-golden $(ARGS)
	@git --no-pager diff --stat -- tests/golden

mutation:  ## do the tests find small faults put into partition/? (ARGS="--module partition.solver.seed --sample 40") · 变异测试
	@.ci/setup test
	@exec $(BIN)/python -m tests.mutation $(ARGS)

bench:  ## time and quality of the partition · 划分性能与质量
	@.ci/setup bench
	@exec $(BIN)/python -m tests.benchmarks $(ARGS)

load:  ## load on a private server on loopback · 本机压力测试
	@.ci/setup demo
	@exec $(BIN)/python -m tests.benchmarks.load $(ARGS)

lock:  ## renew requirements.lock · 更新依赖锁定文件
	@python3 .ci/lock.py $(ARGS)

clean:  ## remove what these targets made here (not the database) · 清除生成的文件（不含数据库）
	@rm -rf .venv demo-out .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find partition layers data service alembic tests -name __pycache__ -type d -prune -exec rm -rf {} +
