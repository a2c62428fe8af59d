# Capacity against dimension, where it is a power and where it is exponential, and how queries relax around it.
# Expects name (path of NAME.csv and NAME-loads.csv without their endings), format (svg or png) and title.
set datafile separator ','
set datafile missing NaN  # so that lines go on where rows of others lie between
if (format eq 'svg') {
  set terminal svg size 1300,1100 font 'DejaVu Sans,13' background '#ffffff'
} else {
  set terminal pngcairo size 1300,1100 font 'DejaVu Sans,10' background '#ffffff'
}
set output name.'.'.format
rows = name.'.csv'
loads = name.'-loads.csv'

# The memories whose capacity grows so, quoted, in the file's order.
memories_of(growth) = system(sprintf("awk -F'\"' 'NR > 1 && $6 == \"%s\" && !seen[$2]++ { print \"\\\"\" $2 \"\\\"\" }' '%s'", growth, rows))
powers = memories_of('power')
exponentials = memories_of('exponential')
colours = '#888888 #2ca02c #17becf #1f77b4 #d62728'
other_colours = '#9467bd #e6a817'
of(memory, update, value) = strcol('memory') eq memory && strcol('update') eq update ? value : NaN

# The fitted slope of a memory, as text; empty where fewer than two capacities are known.
slope(memory, update) = system(sprintf("awk -F, '$1 == \"\\\"%s\\\"\" && $2 == \"\\\"%s\\\"\" { s = $6 } END { if (s != \"\") printf \"%%.2f\", s }' '%s'", memory, update, rows))
with_slope(text, slope, form) = slope eq '' ? text : text.': '.sprintf(form, slope)
with_power(memory, update) = with_slope(memory.' '.update, slope(memory, update), 'N^{%s}')
with_rate(memory) = with_slope(memory, slope(memory, 'synchronous'), 'e^{%s N}')

set multiplot layout 2,2 title title
set grid linetype 1 linecolor '#e4e4e4'
set border 3
set tics nomirror
set xlabel 'N'
set ylabel 'patterns held'
set logscale y
set format y '10^{%T}'
set key top left reverse Left samplen 2

stats rows using (strcol('growth') eq 'power' ? column('dimension') : NaN) nooutput
set logscale x 2
set xtics 10,2
set xrange [STATS_min / 1.05:STATS_max * 1.05]
stats rows using (strcol('growth') eq 'power' ? column('capacity') : NaN) nooutput
set yrange [STATS_min / 3:STATS_max * 300]
# Lines of the literature's slope; only the first has a factor of its own, the others go through the middle of the points.
plot for [k = 1:words(powers)] rows using 'dimension':(of(word(powers, k), 'synchronous', column('capacity'))) \
       with points pointtype 7 linecolor rgb word(colours, k) title with_power(word(powers, k), 'synchronous'), \
     for [k = 1:words(powers)] rows using 'dimension':(of(word(powers, k), 'synchronous', column('fit'))) \
       with lines linewidth 2 linecolor rgb word(colours, k) notitle, \
     for [k = 1:words(powers)] rows using 'dimension':(of(word(powers, k), 'asynchronous', column('capacity'))) \
       with points pointtype 6 linecolor rgb word(colours, k) title with_power(word(powers, k), 'asynchronous'), \
     for [k = 1:words(powers)] rows using 'dimension':(of(word(powers, k), 'asynchronous', column('fit'))) \
       with lines linewidth 1 linecolor rgb word(colours, k) notitle, \
     0.138 * x with lines dashtype 2 linecolor '#000000' title '0.138 N', \
     for [n = 3:4] rows using 'dimension':(of(sprintf('dense n = %d', n), 'synchronous', column('guide'))) \
       with lines dashtype 2 linecolor '#000000' title sprintf('proportional to N^%d', n - 1)

unset logscale x
set xtics autofreq
set xrange [*:*]
set yrange [1:*]
plot for [k = 1:words(exponentials)] rows \
       using 'dimension':(of(word(exponentials, k), 'synchronous', column('capacity'))) \
       with points pointtype 7 linecolor rgb word(other_colours, k) title with_rate(word(exponentials, k)), \
     for [k = 1:words(exponentials)] rows using 'dimension':(of(word(exponentials, k), 'synchronous', column('fit'))) \
       with lines linewidth 2 linecolor rgb word(other_colours, k) notitle, \
     rows using 'dimension':(of(word(exponentials, 1), 'synchronous', column('nearest'))) \
       with linespoints dashtype 3 pointtype 4 linecolor '#000000' title 'the nearest pattern is the right one', \
     rows using 'dimension':(of(word(exponentials, 1), 'synchronous', column('guide'))) \
       with lines dashtype 2 linecolor '#000000' title 'proven for large N'

set xlabel 'patterns over capacity'
set xrange [0.25:2]
set ylabel 'recovered, % (crosses: some steps later)'
unset logscale y
set format y '%g'
set yrange [0:100]
set key bottom left reverse Left
plot for [k = 1:words(powers)] loads using 'load':(of(word(powers, k), 'synchronous', 100 * column('recovered'))) \
       with lines linewidth 2 linecolor rgb word(colours, k) title word(powers, k), \
     for [k = 1:words(powers)] loads using 'load':(of(word(powers, k), 'asynchronous', 100 * column('recovered'))) \
       with lines dashtype 2 linewidth 2 linecolor rgb word(colours, k) notitle, \
     for [k = 1:words(exponentials)] loads \
       using 'load':(of(word(exponentials, k), 'synchronous', 100 * column('recovered'))) \
       with lines linewidth 2 linecolor rgb word(other_colours, k) title word(exponentials, k), \
     loads using 'load':(100 * column('recovered_later')) with points pointtype 2 pointsize 0.6 linecolor '#000000' notitle

set ylabel 'mean steps of a query that halts (dashed: asynchronous)'
set yrange [1:*]
set autoscale noextend
set logscale y
set ytics (1, 2, 5, 10, 20, 50, 100)
unset key
plot for [k = 1:words(powers)] loads using 'load':(of(word(powers, k), 'synchronous', column('mean_steps'))) \
       with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor rgb word(colours, k), \
     for [k = 1:words(powers)] loads using 'load':(of(word(powers, k), 'asynchronous', column('mean_steps'))) \
       with linespoints dashtype 2 linewidth 2 pointtype 6 pointsize 0.5 linecolor rgb word(colours, k), \
     for [k = 1:words(exponentials)] loads using 'load':(of(word(exponentials, k), 'synchronous', column('mean_steps'))) \
       with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor rgb word(other_colours, k)
unset multiplot
