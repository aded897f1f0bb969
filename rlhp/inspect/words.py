"""How the numbers of the report are computed, for those who read it."""

ANSWERS = (
    "Every answer is judged by those members of the ensemble that never learn from it: the bootstrap hides a third of the "
    "answers from each of them. A single member is a little less accurate than the whole ensemble, so these shares are on the "
    "low side. The clips of a held-out answer may be part of others; the second row leaves these out, and so does the "
    "difference where 20 are left. Answers that came too late to be learned from are judged by all members. Intervals are "
    "Wilson's, widened where answers share clips or annotators; those of differences are bootstrapped over questions."
)

TRUTH = (
    "The newest policy acts in 16 new environments and takes a quarter of its actions uniformly at random: these steps are the "
    "coverage distribution. EPIC (Gleave et al. 2021) reads both rewards as functions of state and action; the mean over "
    "actions at a state is a ridge regression on the steps with random actions, on random features of the observation. STARC "
    "(Skalse et al. 2024) takes the value of each reward under the policy that acted, by least-squares temporal differences on "
    "the same features, and compares what is left, the advantages. Both rewards go through the same fits. Intervals are "
    "bootstrapped over blocks of 32 steps, each with fits of its own. Where a task's dynamics are random the next state is a "
    "sample, which makes rewards look less alike than they are. The theorems that bound regret by these distances hold for "
    "exact values and full coverage, so the distances are a guide, not a guarantee. Policies are the parts of the run, each by "
    "the held-out clips of its time."
)

TRAINING = (
    "From each point that leaves a quarter of the series, straight lines are fitted to its end; the statistic is the largest, "
    "over these points, of the smaller one of two t values, that of r-hat's rise and that of the true reward's fall. It is "
    "compared with flat series whose residuals are drawn in blocks from those of a fit of two lines that meet. The alarm rings "
    "at p <= 0.01 and a fall of at least a tenth of the range. It rang in 13 of 1,200 simulated runs in which r-hat was not "
    "exploited (1.1 %; in 3 % of those without a trend whose noise had an autocorrelation of 0.8), and in 489 of 600 in which "
    "it was. Disagreement is the standard deviation over members of a clip's mean reward, each member in units of its own "
    "spread over labelled steps; intervals are bootstrapped over clips."
)

INPUTS = (
    "On held-out answers, an input gets the course over time that it has in another clip; the drop in accuracy is the mean of "
    "five such shufflings (one for pictures), with a bootstrap interval over questions. What an input carries alone is the "
    "squared correlation of r-hat with itself where all other inputs are shuffled. Inputs that go together share their worth: "
    "each may look worthless while the other is there."
)

CLIPS = (
    "Clips that nobody was asked about, held out over the whole run or of its newest policies. r-hat is the mean of the "
    "members, each with mean 0 and spread 1 over labelled steps. The line moves with the film; a click stops it."
)
