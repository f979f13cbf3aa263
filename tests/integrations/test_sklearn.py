"""A scikit-learn Pipeline recorded step by step: the real package, and nothing of the pipeline changed by it."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from runfolio import Status, load_run
from runfolio.errors import UsageError

pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'runfolio[sklearn]'")

from joblib import parallel_config
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from runfolio.integrations import sklearn as integration
from runfolio.integrations.sklearn import track


class Shift(TransformerMixin, BaseEstimator):
    """A transformer of one's own, which has no names for its features."""

    def __init__(self, by=1):
        self.by = by

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X + self.by


class Twice(Shift):
    """One that calls what its base has."""

    def fit(self, X, y=None):
        return super().fit(X, y)

    def transform(self, X):
        return super().transform(super().transform(X))


@pytest.fixture
def data():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=["a", "b", "c"], index=range(100, 140))
    return frame, pd.Series(np.where(frame["a"] + frame["b"] > 0, "yes", "no"), index=frame.index)


@pytest.fixture
def pipeline():
    return Pipeline([("scale", StandardScaler()), ("reduce", PCA(2)), ("model", LogisticRegression())])


@pytest.fixture(autouse=True)
def nothing_is_watched_afterwards():
    yield
    assert integration._trackers == [] and not integration._watched_classes
    for kind in (Pipeline, StandardScaler, PCA, LogisticRegression, SVC, Shift, Twice):
        assert not any(isinstance(value, integration._Watched) for value in vars(kind).values())
    assert "fit_predict" not in vars(StandardScaler)


def steps_of(run) -> list[str]:
    rows = run.get_timing()
    return (rows["module_name"] + "." + rows["experiment_name"]).to_list()


def test_each_step_of_fit_and_predict_is_one_of_the_run_with_its_own_path(pipeline, data):
    with Status() as status, track(pipeline) as tracked:
        assert tracked is status
        assert pipeline.fit(*data) is pipeline
        pipeline.predict(data[0])
    run = load_run(status.folder)
    fit, predict = ["scale.fit_transform", "reduce.fit_transform", "model.fit"], ["transform", "transform", "predict"]
    assert steps_of(run) == [*fit, *map(".".join, zip(("scale", "reduce", "model"), predict, strict=True))]
    assert list(run.get_result()) == [
        "scale[fit_transform]_reduce[fit_transform]",
        "scale[transform]_reduce[transform]_model[predict]",
    ]
    assert (run.state, run.damage) == ("completed", [])


def test_results_are_what_the_steps_gave_as_frames_with_the_rows_of_the_input(pipeline, data):
    frame, target = data
    with Status() as status, track(pipeline):
        predicted = pipeline.fit(frame, target).predict(frame)
        assert integration._trackers[0]._thread.gave is None, "what it gave last is kept alive"
        shares = pipeline.predict_proba(frame)
        score = pipeline.score(frame, target)
    stored = {key: result["data"] for key, result in status.results.items()}
    scaled = pd.DataFrame(pipeline[0].transform(frame), index=frame.index, columns=["a", "b", "c"])
    pd.testing.assert_frame_equal(stored["scale[fit_transform]"], scaled)
    reduced = stored["scale[fit_transform]_reduce[fit_transform]"]
    assert list(reduced) == ["pca0", "pca1"] and reduced.index.equals(frame.index)
    found = stored["scale[transform]_reduce[transform]_model[predict]"]
    assert (found["predict"].to_numpy() == predicted).all() and found.index.equals(frame.index)
    found = stored["scale[transform_2]_reduce[transform]_model[predict_proba]"]
    assert list(found) == ["no", "yes"] and (found.to_numpy() == shares).all()
    assert stored["scale[transform_3]_reduce[transform]_model[score]"] == score


def test_changes_tell_what_a_step_did_to_the_columns(pipeline, data):
    with Status() as status, track(pipeline):
        pipeline.fit(*data)
    changes = [(change.module_name, change.type, change.target) for change in status.changes]
    assert changes[:3] == [("scale", "UPDATE", name) for name in "abc"]
    assert {change[1:] for change in changes[3:]} == {
        *(("DELETE", name) for name in "abc"),
        *(("CREATE", name) for name in ("pca0", "pca1")),
    }


def test_what_the_pipeline_gives_is_what_it_gives_untracked(pipeline, data):
    frame, target = data
    plain = clone(pipeline).fit(frame, target)
    with Status(), track(pipeline):
        pipeline.fit(frame, target)
        inside = pipeline.predict_proba(frame)
    assert (inside == plain.predict_proba(frame)).all() and (pipeline.predict_proba(frame) == inside).all()
    assert pickle.dumps(pipeline) == pickle.dumps(plain)
    assert vars(pipeline[0]).keys() == vars(plain[0]).keys()


def test_clone_pickle_and_set_output_work_in_the_block(pipeline, data):
    frame, target = data
    with Status() as status, track(pipeline):
        pipeline.set_output(transform="pandas").fit(frame, target)
        other = pickle.loads(pickle.dumps(pipeline))
        assert type(other) is Pipeline and type(clone(pipeline)[0]) is StandardScaler
        count = len(status.timing_records)
        other.predict(frame)
        clone(pipeline).fit(frame, target)
        assert len(status.timing_records) == count
    assert list(pipeline[:-1].transform(frame)) == ["pca0", "pca1"]
    assert status.results["scale[fit_transform]"]["data"].index.equals(frame.index)


def test_what_is_watched_is_pickled_as_what_it_was(pipeline):
    with Status(), track(pipeline):
        watched = vars(StandardScaler)["fit"]
        assert isinstance(watched, integration._Watched)
        found = pickle.loads(pickle.dumps(watched))
    assert found is StandardScaler.fit


def test_polars_frames_are_stored_as_such(data):
    pipeline = make_pipeline(StandardScaler(), PCA(2)).set_output(transform="polars")
    with Status() as status, track(pipeline):
        pipeline.fit_transform(data[0])
    result = status.results["standardscaler[fit_transform]"]
    assert result.record.parts[0].type == "polars.DataFrame"


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_grid_search_works_and_its_clones_are_not_recorded(pipeline, data, jobs):
    search = GridSearchCV(pipeline, {"model__C": [0.1, 1.0]}, cv=2, n_jobs=jobs)
    with Status() as status, track(pipeline), parallel_config("multiprocessing"):
        search.fit(*data)
    assert status.timing_records == [] and search.best_score_ > 0.5
    with Status() as status, track(search.best_estimator_):
        search.predict(data[0])
    assert steps_of(status) == ["scale.transform", "reduce.transform", "model.predict"]


def test_an_error_comes_unchanged_and_is_recorded_at_its_step(pipeline, data):
    frame, target = data
    with Status() as status, track(pipeline):
        with pytest.raises(ValueError, match="inconsistent numbers of samples") as caught:
            pipeline.fit(frame, target.head(3))
        assert not hasattr(caught.value, "__notes__")
        pipeline.fit(frame, target)
    outcomes = list(zip(steps_of(status), status.get_timing()["outcome"], strict=True))
    assert outcomes[2] == ("model.fit", "failed")
    assert [outcome for _, outcome in outcomes[3:]] == ["completed"] * 3
    with pytest.raises(ValueError), track(pipeline) as own:
        pipeline.predict(frame.rename(columns={"a": "z"}))
    assert own.state == "failed" and own.error.experiment_name == "transform"


def test_methods_that_a_step_calls_itself_are_timings_inside_of_it(data):
    pipeline = make_pipeline(Twice(), Shift(), LinearRegression())
    target = np.arange(40.0)
    with Status() as status, track(pipeline):
        pipeline.fit(data[0], target).score(data[0], target)
    assert steps_of(status)[::5] == ["twice.fit_transform", "linearregression.score"]
    outer = {timing.record_id: timing.experiment_name for timing in status.timing_records}
    inner = [(t.module_name, outer[t.parent_id], t.step_name) for t in status.timing_records if t.parent_id]
    assert inner == [
        *((name, "fit_transform", method) for name in ("twice", "shift") for method in ("fit", "transform")),
        ("linearregression", "score", "predict"),
    ]
    found = status.results["twice[fit_transform]"]["data"]
    pd.testing.assert_frame_equal(found, data[0] + 2)


def test_inside_of_a_step_all_is_timings_of_it(pipeline, data):
    with Status() as status, track(pipeline), status.step("Model", "fit", data=data[0]) as step:
        pipeline.fit(*data)
        step.result({"score": pipeline.score(*data)})
    assert list(status.results) == ["Model[fit]"] and steps_of(status) == ["Model.fit"]
    (outer,) = [timing.record_id for timing in status.timing_records if timing.parent_id is None]
    inner = [f"{t.module_name}.{t.step_name}" for t in status.timing_records if t.parent_id == outer]
    fitted = ["scale.fit_transform", "reduce.fit_transform", "model.fit"]
    assert inner == [*fitted, "scale.transform", "reduce.transform", "model.score"]


def test_arrays_without_names_have_numbered_columns(pipeline, data):
    with Status() as status, track(pipeline):
        pipeline.fit(data[0].to_numpy(), data[1].to_numpy())
    assert list(status.results["scale[fit_transform]"]["data"]) == ["x0", "x1", "x2"]
    assert status.get_snapshots("scale")[0].metadata.schema_before.columns == ["x0", "x1", "x2"]


def test_a_column_transformer_and_a_union_are_one_step_each(data):
    frame = data[0].assign(city=["Lima", "Oslo"] * 20)
    columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(), ["city"])])
    union = FeatureUnion([("all", FunctionTransformer()), ("pca", PCA(1))])
    pipeline = Pipeline([("columns", columns), ("none", "passthrough"), ("union", union), ("model", SVC())])
    with Status() as status, track(pipeline):
        pipeline.fit(frame, data[1]).predict(frame)
        assert not hasattr(pipeline, "predict_proba")
    assert steps_of(status)[:3] == ["columns.fit_transform", "union.fit_transform", "model.fit"]
    stored = status.results["columns[fit_transform]"]["data"]
    assert list(stored) == ["n__a", "n__b", "c__city_Lima", "c__city_Oslo"]
    assert status.results["columns[fit_transform]_union[fit_transform]"]["data"].shape == (40, 5)


def test_a_sparse_result_is_told_and_not_stored():
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression())
    with Status() as status, track(pipeline):
        pipeline.fit(["one two", "two three"], ["a", "b"])
    (event,) = [event for event in status.events if event.type == "log"]
    assert event.module_name == "countvectorizer" and "csr_" in event.message
    assert status.results == {} and len(steps_of(status)) == 2


def test_steps_follow_what_the_run_did_before(pipeline, data):
    with Status() as status:
        with status.step("Loader", "random") as step:
            step.result(data[0])
        with track(pipeline):
            pipeline.fit(*data)
            pipeline.predict(data[0])
    assert {key.partition("_")[0] for key in status.results} == {"Loader[random]"}


def test_without_a_run_it_makes_one_and_ends_it(pipeline, data):
    with track(pipeline) as status:
        pipeline.fit(*data)
    assert (status.state, status.name) == ("completed", "Pipeline")
    given = Status(name="given")
    with track(pipeline, given) as status:
        pipeline.fit(*data)
    assert status is given and given.state == "in_progress"
    given.complete()


def test_a_run_that_ends_in_the_block_leaves_the_pipeline_to_work(pipeline, data):
    with track(pipeline) as status:
        status.complete()
        pipeline.fit(*data)
    assert status.timing_records == []


def test_two_pipelines_of_the_same_classes_are_told_apart(pipeline, data):
    other, third = clone(pipeline), clone(pipeline)
    with Status() as one, Status() as two, track(pipeline, one), track(other, two):
        pipeline.fit(*data)
        other.fit(*data)
        third.fit(*data)
        with pytest.raises(UsageError, match="tracked already"), track(pipeline):
            pass
    assert len(steps_of(one)) == len(steps_of(two)) == 3


def test_threads_that_predict_at_once_do_not_mix(pipeline, data):
    pipeline.fit(*data)
    with Status() as status, track(pipeline):
        threads = [threading.Thread(target=pipeline.predict, args=(data[0],)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(status.get_result()) == 4
    assert all(len(result.record.path) == 3 for result in status.get_result().values())


def test_what_is_no_pipeline_is_refused():
    with pytest.raises(UsageError, match="track is for a Pipeline, and this is a PCA"), track(PCA()):
        pass


def test_where_the_package_is_missing_the_error_says_what_to_install():
    code = (
        "import sys\nsys.modules['sklearn'] = sys.modules['sklearn.pipeline'] = None\n"
        "from runfolio.integrations.sklearn import track\n"
        "try:\n    track(None).__enter__()\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "UsageError scikit-learn is not installed; pip install 'runfolio[sklearn]'\n"
