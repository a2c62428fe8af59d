"""A classifier that is a memory: training samples are patterns, their labels, one-hot, the contents.

Recall reads out the mean of the labels, weighted by softmax(−β/2 · squared distance): class probabilities, without any
training. It stands beside k-nearest neighbours and logistic regression on two sets that scikit-learn ships: 5-fold
cross-validation, in each fold the features scaled and the one parameter of each method chosen by the training part alone.
"""

import attractor
import matplotlib.pyplot as plt
import numpy as np
from gallery import output_folder, save
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

output = output_folder(__doc__)


class MemoryClassifier(ClassifierMixin, BaseEstimator):
    """The memory as an estimator of scikit-learn; β is of the mean squared difference of a feature."""

    def __init__(self, beta=1.0):
        self.beta = beta

    def fit(self, samples, labels):
        self.classes_, indices = np.unique(labels, return_inverse=True)
        self.memory_ = attractor.Memory.modern_hopfield(
            samples, beta=self.beta / samples.shape[1], similarity="squared_distance",
            contents=np.eye(len(self.classes_))[indices])
        return self

    def predict_proba(self, samples):
        return attractor.recall(self.memory_, samples).contents

    def predict(self, samples):
        return self.classes_[self.predict_proba(samples).argmax(axis=1)]


methods = {
    "memory": (MemoryClassifier(), "beta", [10, 20, 40, 80, 160]),
    "k-nearest neighbours": (KNeighborsClassifier(), "n_neighbors", [1, 3, 5, 9]),
    "logistic regression": (LogisticRegression(max_iter=2000), "C", [0.01, 0.1, 1.0]),
}
sets = {"digits": load_digits(return_X_y=True), "breast cancer": load_breast_cancer(return_X_y=True)}


def scores(method, samples, labels):
    """Accuracy in each of the outer folds."""
    estimator, parameter, values = method
    step = type(estimator).__name__.lower()
    inner = GridSearchCV(make_pipeline(StandardScaler(), estimator), {f"{step}__{parameter}": values}, cv=3)
    outer = StratifiedKFold(n_splits=5, shuffle=True, random_state=1)
    return cross_val_score(inner, samples, labels, cv=outer)


print(f"{'accuracy, mean ± deviation of folds':<37}" + "".join(f"{name:>18}" for name in sets))
results = {}
for name, method in methods.items():
    results[name] = [scores(method, *data) for data in sets.values()]
    print(f"{name:<37}" + "".join(f"{100 * folds.mean():10.1f} ± {100 * folds.std():3.1f} %" for folds in results[name]))

figure, axes = plt.subplots(figsize=(5, 3))
for i, (name, folds) in enumerate(results.items()):
    axes.bar(np.arange(len(sets)) + 0.27 * (i - 1), [100 * values.mean() for values in folds], 0.25,
             yerr=[100 * values.std() for values in folds], label=name)
axes.set(xticks=range(len(sets)), xticklabels=sets, ylabel="accuracy, %", ylim=(90, 100))
axes.legend(ncols=3, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1))
save(figure, output / "classification.svg")
