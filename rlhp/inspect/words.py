"""Explanations in the report of how its numbers are computed."""

ANSWERS = (
    "Every answer is predicted by the ensemble members that are not fitted to it: the bootstrap hides a third of the answers "
    "from each member. A single member is a little less accurate than the whole ensemble, so these accuracies are "
    "underestimates. The clips of a held-out answer may be part of other answers; the second row leaves these out, and so does "
    "the difference if at least 20 remain. Answers that came too late to be fitted are predicted by all members. Intervals "
    "are Wilson's, widened if answers share clips or annotators; those of differences are bootstrapped over questions."
)

TRUTH = (
    "The newest policy acts in 16 new environments and takes a quarter of its actions uniformly at random: these steps are the "
    "coverage distribution. EPIC (Gleave et al. 2021) reads both rewards as functions of state and action; the mean over "
    "actions at a state is a ridge regression on the steps with random actions, on random features of the observation. STARC "
    "(Skalse et al. 2024) subtracts the value of each reward under the acting policy, fitted by least-squares temporal "
    "differences on the same features, and compares the advantages. Both rewards use the same fits. Intervals are bootstrapped "
    "over blocks of 32 steps, with new fits for each sample. If a task's dynamics are random, the next state is a sample, which "
    "makes rewards look less similar than they are. The theorems that bound regret by these distances hold for exact values and "
    "full coverage, so the distances are a guide, not a guarantee. The policies are parts of the run, represented by their "
    "held-out clips."
)

TRAINING = (
    "From each point that leaves a quarter of the series, straight lines are fitted to its end; the statistic is the maximum, "
    "over these points, of the smaller of two t values, that of r-hat's rise and that of the true reward's fall. It is "
    "compared with flat series whose residuals are drawn in blocks from a fit of two connected lines. The alarm rings "
    "at p <= 0.01 and a fall of at least a tenth of the range. It rang in 13 of 1,200 simulated runs in which r-hat was not "
    "exploited (1.1 %; in 3 % of those without a trend whose noise had an autocorrelation of 0.8), and in 489 of 600 in which "
    "it was. Disagreement is the standard deviation over members of a clip's mean reward, each member in units of its own "
    "standard deviation over labelled steps; intervals are bootstrapped over clips."
)

INPUTS = (
    "On held-out answers, an input's values over time are replaced by those of another clip; the drop in accuracy is the mean "
    "of five such permutations (one for images), with a bootstrap interval over questions. What an input explains alone is the "
    "squared correlation of r-hat with r-hat when all other inputs are shuffled. Correlated inputs share their importance: each "
    "may look unimportant while the other is present."
)

CLIPS = (
    "Clips that no question was about, held out over the whole run or from its newest policies. r-hat is the mean of the "
    "members, each with mean 0 and standard deviation 1 over labelled steps. The line moves with the video; a click pauses it."
)
