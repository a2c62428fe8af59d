# Images retrieved, and the steps that it took, against the number stored: a column of panels for each similarity, a line
# for each separation. Expects name (path of NAME.csv without its ending), format (svg or png) and title.
set datafile separator ','
if (format eq 'svg') {
  set terminal svg size 1400,1250 font 'DejaVu Sans,13' background '#ffffff'
} else {
  set terminal pngcairo size 1400,1250 font 'DejaVu Sans,10' background '#ffffff'
}
set output name.'.'.format
rows = name.'.csv'

# The names that a column has, each once and quoted, in the file's order.
names_of(column) = system(sprintf("awk -F, 'NR > 1 && !seen[$%d]++ { print $%d }' '%s'", column, column, rows))
corruptions = names_of(1)
similarities = names_of(2)
separations = names_of(3)
colours = '#1f77b4 #2ca02c #17becf #9467bd #e6a817 #d62728 #888888 #8c564b #e377c2'
# A name without the quotes that a file has around it.
of(corruption, similarity, separation, value) = \
  strcol(1) eq corruption && strcol(2) eq similarity && strcol(3) eq separation ? value : NaN

set multiplot layout 4,4 title title columnsfirst margins 0.06,0.975,0.09,0.93 spacing 0.025,0.06
set grid linetype 1 linecolor '#e4e4e4'
set border 3
set tics nomirror
set logscale x 4
set xtics 4,16
set autoscale noextend
set xrange [4:*]
set key at screen 0.5,0.02 center vertical maxrows 1 samplen 2
do for [s = 1:words(similarities)] {
  similarity = word(similarities, s)
  do for [c = 1:words(corruptions)] {
    corruption = word(corruptions, c)
    set format y (s == 1 ? '%g' : '')
    set title similarity.', '.corruption
    unset logscale y
    set yrange [0:100]
    set ylabel (s == 1 ? 'retrieved, %' : '')
    set xlabel ''
    plot for [k = 1:words(separations)] rows \
      using 4:(of(corruption, similarity, word(separations, k), 100 * column('retrieved_by_cosine'))) \
      with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor rgb word(colours, k) notitle
    unset title
    set yrange [1:100]
    set logscale y
    set ylabel (s == 1 ? 'mean steps' : '')
    set xlabel (c == 2 ? 'images stored' : '')
    plot for [k = 1:words(separations)] rows \
      using 4:(of(corruption, similarity, word(separations, k), column('mean_steps'))) \
      with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor rgb word(colours, k) \
      title (s == 1 && c == 2 ? word(separations, k) : '')
  }
}
unset multiplot
